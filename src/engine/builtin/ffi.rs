//! Flite, the C library: the few declarations that are used of it, and a safe voice on top.
//!
//! Knows nothing of threads, channels or engines. The layouts are those of Flite 2.2.

#![expect(unsafe_code, reason = "calls a C library")]

use std::any::Any;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::EngineError;

/// The voices that are linked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// A man from the United States; its pitch is fixed.
    Rms,
    /// A woman from the United States.
    Slt,
}

/// How one utterance is spoken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Factor on every duration: 2 is half as fast.
    pub(super) stretch: f32,
    /// Factor on the mean pitch. Without effect on [`Model::Rms`], which takes its pitch from
    /// another model and looks at no feature for it.
    pub(super) pitch: f32,
}

/// Whether the listener wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Stop,
}

/// A registered voice. Dropping the last one of its model unregisters it.
///
/// It stays on the thread that made it: the pointer keeps it from being `Send`.
#[derive(Debug)]
pub(super) struct Voice {
    raw: NonNull<CstVoice>,
    model: Model,
}

/// What Flite keeps per process: whether it was initialised, and who uses which voice.
struct Library {
    is_initialised: bool,
    n_users: [usize; 2],
}

/// Held whenever Flite's own code runs.
///
/// Registering a voice fills a static pointer, so two engines share one voice, and its values have
/// reference counts that are no atomics. Flite says of itself that it is "thread safe(r)"; nobody
/// proved it. Those who contend are engines of this process: one in the daemon, several in tests.
static FLITE: Mutex<Library> = Mutex::new(Library { is_initialised: false, n_users: [0; 2] });

/// A panic of the listener poisons the lock, and leaves Flite as it was: it is handed on only after
/// Flite has returned.
fn lock() -> MutexGuard<'static, Library> {
    FLITE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Voice {
    /// Registers a voice, if need be.
    ///
    /// # Errors
    /// Where Flite has no such voice.
    pub(super) fn register(model: Model) -> Result<Self, EngineError> {
        let mut library = lock();
        if !library.is_initialised {
            // SAFETY: the lock makes this the only call; it compiles a few tables and returns.
            unsafe { flite_init() };
            library.is_initialised = true;
        }
        // SAFETY: the lock is held and Flite is initialised. A null directory is the documented
        // argument for voices that are linked in.
        let raw = unsafe {
            match model {
                Model::Rms => register_cmu_us_rms(ptr::null()),
                Model::Slt => register_cmu_us_slt(ptr::null()),
            }
        };
        let Some(raw) = NonNull::new(raw) else {
            return Err(EngineError::Failed(format!("flite did not register its voice {model:?}")));
        };
        library.n_users[model as usize] += 1;
        Ok(Self { raw, model })
    }

    /// Samples per second, as the voice itself has it; 0 where it does not say.
    pub(super) fn sample_rate_hz(&self) -> u32 {
        let _library = lock();
        // SAFETY: the voice is registered for as long as `self` lives; the name ends in NUL.
        let rate_hz =
            unsafe { flite_get_param_int(self.raw.as_ref().features, c"sample_rate".as_ptr(), 0) };
        u32::try_from(rate_hz).unwrap_or(0)
    }

    /// Speaks, and hands over about 20 ms at a time, until the text or the listener's patience ends.
    /// Other voices may speak while `listen` runs.
    ///
    /// # Errors
    /// Where Flite could not make audio of the text.
    ///
    /// # Panics
    /// Where `listen` panics.
    pub(super) fn speak(
        &mut self,
        text: &CStr,
        manner: Manner,
        listen: &mut dyn FnMut(&[i16]) -> Flow,
    ) -> Result<(), EngineError> {
        let mut listener = Listener { library: Some(lock()), listen, panic: None };
        // SAFETY: the lock is held. The utterance is made here and deleted here, whatever happens:
        // `flite_do_synth` deletes it where it returns null. The features go onto the utterance,
        // not onto the voice, so that nothing is left behind for the next one, and the streaming
        // info belongs to them: Flite frees it with the utterance. Names are literals, because
        // Flite keeps the pointers. The text is copied. `listener` outlives the call that uses it,
        // and is reached through this one pointer meanwhile.
        let has_spoken = unsafe {
            let utterance = new_utterance();
            utt_set_input_text(utterance, text.as_ptr());
            let features = (*utterance).features;
            flite_feat_set_float(features, c"duration_stretch".as_ptr(), manner.stretch);
            flite_feat_set_float(features, c"f0_shift".as_ptr(), manner.pitch);
            let info = new_audio_streaming_info();
            (*info).min_buffsize = MIN_CHUNK_SAMPLES;
            (*info).asc = Some(hand_over);
            (*info).userdata = (&raw mut listener).cast();
            flite_feat_set(features, c"streaming_info".as_ptr(), audio_streaming_info_val(info));
            let spoken = flite_do_synth(utterance, self.raw.as_ptr(), utt_synth);
            if !spoken.is_null() {
                delete_utterance(spoken);
            }
            !spoken.is_null()
        };
        if let Some(panic) = listener.panic {
            resume_unwind(panic);
        }
        if has_spoken {
            Ok(())
        } else {
            Err(EngineError::Failed("flite made no audio of this text".to_owned()))
        }
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        let mut library = lock();
        let n_users = &mut library.n_users[self.model as usize];
        *n_users -= 1;
        if *n_users > 0 {
            return; // another engine has the same voice: there is one per process
        }
        // SAFETY: the lock is held, and the last user of the voice is being dropped.
        unsafe {
            match self.model {
                Model::Rms => unregister_cmu_us_rms(self.raw.as_ptr()),
                Model::Slt => unregister_cmu_us_slt(self.raw.as_ptr()),
            }
        }
    }
}

/// Flite counts in steps of 80 samples and hands over when it has more than this: 320, or 20 ms.
const MIN_CHUNK_SAMPLES: c_int = 256;

/// What the callback finds behind `userdata`.
struct Listener<'a> {
    library: Option<MutexGuard<'static, Library>>,
    listen: &'a mut dyn FnMut(&[i16]) -> Flow,
    panic: Option<Box<dyn Any + Send>>,
}

/// Called by Flite in the middle of a synthesis.
unsafe extern "C" fn hand_over(
    wave: *const CstWave,
    start: c_int,
    size: c_int,
    _is_last: c_int,
    info: *mut StreamingInfo,
) -> c_int {
    // SAFETY: Flite passes the info that `speak` made, whose `userdata` points to the listener on
    // the stack of `speak`, further up on this very thread.
    let listener = unsafe { &mut *(*info).userdata.cast::<Listener<'_>>() };
    let (Ok(start), Ok(size @ 1..)) = (usize::try_from(start), usize::try_from(size)) else {
        return STREAM_CONT;
    };
    // SAFETY: Flite passes a wave that holds `start + size` samples, and nobody else touches it
    // before this function returns: it belongs to this utterance.
    let samples = unsafe { slice::from_raw_parts((*wave).samples.add(start), size) };
    // The listener may wait for as long as it likes. Whoever else wants to speak must not wait with
    // it: two streams that are pulled by one thread would stop each other for ever.
    listener.library = None;
    let verdict = catch_unwind(AssertUnwindSafe(|| (listener.listen)(samples)));
    listener.library = Some(lock());
    match verdict {
        Ok(Flow::Continue) => STREAM_CONT,
        Ok(Flow::Stop) => STREAM_STOP,
        Err(panic) => {
            listener.panic = Some(panic);
            STREAM_STOP
        }
    }
}

// What follows mirrors the C headers `cst_audio.h`, `cst_utterance.h`, `cst_voice.h`, `cst_wave.h`.

const STREAM_STOP: c_int = -1;
const STREAM_CONT: c_int = 0;

/// A type of Flite's that is only ever pointed to.
#[repr(C)]
struct Opaque {
    _bytes: [u8; 0],
    _not_ours: PhantomData<*mut u8>,
}

/// `cst_voice`
#[repr(C)]
struct CstVoice {
    name: *const c_char,
    features: *mut Opaque,
    // More follows; the voice is never made or copied here.
}

/// `cst_utterance`
#[repr(C)]
struct CstUtterance {
    features: *mut Opaque,
    // More follows; the utterance is never made or copied here.
}

/// `cst_wave`
#[repr(C)]
struct CstWave {
    kind: *const c_char,
    sample_rate: c_int,
    num_samples: c_int,
    num_channels: c_int,
    samples: *mut i16,
}

/// `cst_audio_streaming_info`
#[repr(C)]
struct StreamingInfo {
    min_buffsize: c_int,
    asc: Option<StreamCallback>,
    utt: *const CstUtterance,
    item: *const Opaque,
    userdata: *mut c_void,
}

/// `cst_audio_stream_callback`
type StreamCallback =
    unsafe extern "C" fn(*const CstWave, c_int, c_int, c_int, *mut StreamingInfo) -> c_int;

/// `cst_uttfunc`
type UttFunc = unsafe extern "C" fn(*mut CstUtterance) -> *mut CstUtterance;

unsafe extern "C" {
    fn flite_init() -> c_int;
    fn register_cmu_us_rms(voxdir: *const c_char) -> *mut CstVoice;
    fn unregister_cmu_us_rms(voice: *mut CstVoice);
    fn register_cmu_us_slt(voxdir: *const c_char) -> *mut CstVoice;
    fn unregister_cmu_us_slt(voice: *mut CstVoice);

    fn new_utterance() -> *mut CstUtterance;
    fn delete_utterance(utterance: *mut CstUtterance);
    fn utt_set_input_text(utterance: *mut CstUtterance, text: *const c_char) -> c_int;
    fn utt_synth(utterance: *mut CstUtterance) -> *mut CstUtterance;
    fn flite_do_synth(
        utterance: *mut CstUtterance,
        voice: *mut CstVoice,
        synth: UttFunc,
    ) -> *mut CstUtterance;

    fn flite_get_param_int(features: *const Opaque, name: *const c_char, default: c_int) -> c_int;
    fn flite_feat_set_float(features: *mut Opaque, name: *const c_char, value: f32);
    fn flite_feat_set(features: *mut Opaque, name: *const c_char, value: *const Opaque);

    fn new_audio_streaming_info() -> *mut StreamingInfo;
    fn audio_streaming_info_val(info: *const StreamingInfo) -> *mut Opaque;
}

/// Flite's own way to the sound card, which nobody here takes, cut off.
///
/// The archive's object with these four functions calls the card's library (ALSA on Linux), which
/// would have to be linked and loaded with it. A linker takes nothing from an archive for names that
/// it knows already.
#[cfg(flite_static)]
mod no_card {
    use super::{CstWave, Opaque, c_int, c_void, ptr};

    #[unsafe(no_mangle)]
    extern "C" fn audio_open(_rate_hz: c_int, _n_channels: c_int, _format: c_int) -> *mut Opaque {
        ptr::null_mut()
    }

    #[unsafe(no_mangle)]
    extern "C" fn audio_write(_card: *mut Opaque, _samples: *mut c_void, _n_bytes: c_int) -> c_int {
        -1
    }

    #[unsafe(no_mangle)]
    extern "C" fn audio_close(_card: *mut Opaque) -> c_int {
        -1
    }

    #[unsafe(no_mangle)]
    extern "C" fn play_wave(_wave: *mut CstWave) -> c_int {
        -1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Manner = Manner { stretch: 1.0, pitch: 1.0 };

    #[test]
    fn a_panic_of_the_listener_crosses_flite_unharmed_and_the_voice_speaks_on() {
        let mut voice = Voice::register(Model::Rms).unwrap();
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            voice.speak(c"one two three", PLAIN, &mut |_| panic!("the listener is unwell"))
        }));
        assert!(attempt.is_err());
        let mut n_samples = 0;
        voice
            .speak(c"one two three", PLAIN, &mut |samples| {
                n_samples += samples.len();
                Flow::Continue
            })
            .unwrap();
        assert!(n_samples > 8_000, "{n_samples} samples");
    }

    #[test]
    fn a_listener_that_has_enough_is_not_called_again() {
        let mut voice = Voice::register(Model::Slt).unwrap();
        let mut n_calls = 0;
        let mut listen = |_: &[i16]| {
            n_calls += 1;
            Flow::Stop
        };
        voice.speak(c"a text that is not heard to its end", PLAIN, &mut listen).unwrap();
        assert_eq!(n_calls, 1);
    }

    #[test]
    fn the_manner_of_one_utterance_is_not_that_of_the_next() {
        let mut voice = Voice::register(Model::Rms).unwrap();
        let mut length = |manner| {
            let mut n_samples = 0;
            let mut listen = |samples: &[i16]| {
                n_samples += samples.len();
                Flow::Continue
            };
            voice.speak(c"the quick brown fox", manner, &mut listen).unwrap();
            n_samples
        };
        let before = length(PLAIN);
        assert!(length(Manner { stretch: 2.0, ..PLAIN }) > before * 3 / 2);
        assert_eq!(length(PLAIN), before);
    }

    #[test]
    fn a_voice_outlives_another_of_its_model() {
        let mut kept = Voice::register(Model::Slt).unwrap();
        drop(Voice::register(Model::Slt).unwrap());
        assert_eq!(kept.sample_rate_hz(), 16_000);
        kept.speak(c"still here", PLAIN, &mut |_| Flow::Continue).unwrap();
    }
}
