//! `PulseAudio`'s own protocol, which `PipeWire` speaks as well: a stream with a name and a role that stay the same, so
//! that a desktop can remember its volume and its device, and turn music down while it speaks.
//!
//! The server asks for audio on a thread of its client library. It moves the stream along when the default device is
//! another one. A server that hangs is given up: what asks it runs on a thread that may be left behind, one at a time.

use std::ffi::{CStr, CString};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;
use futures::FutureExt;
use futures::executor::block_on;
use parking_lot::Mutex;
use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    ChannelMap, DEFAULT_SINK, PlaybackStreamParams, Prop, Props, SampleFormat, SampleSpec,
};
use pulseaudio::{AsPlaybackSource, Client, PlaybackStream};
use tracing::info;

use super::card::Card;
use super::error::CardError;
use super::tap::Tap;
use crate::pcm::PcmSpec;
use crate::threads::spawn_named;

/// What desktops know it by.
const NAME: &CStr = c"speakerd";

/// How much the server holds: enough for a busy machine, little enough that a skip is heard at once.
const BUFFER: Duration = Duration::from_millis(85);

/// A server that answers takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the servers' cookies are (`PA_NATIVE_COOKIE_LENGTH`).
const COOKIE_BYTES: usize = 256;

const SAMPLE_BYTES: usize = size_of::<f32>();

/// Opens streams, one after the other.
#[derive(Debug, Default)]
pub struct Pulse {
    /// A question is out to a server that has not answered.
    is_hanging: Arc<AtomicBool>,
}

/// A connection that ends when it is dropped. The client library would keep it, with a thread, until the server says
/// something.
#[derive(Debug)]
struct Connection(UnixStream);

impl Drop for Connection {
    fn drop(&mut self) {
        let _was_over = self.0.shutdown(Shutdown::Both);
    }
}

/// A question that is out; it is in again when this is dropped, however that comes about.
struct Asking(Arc<AtomicBool>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Where a stream goes.
struct Sink {
    client: Client,
    connection: Connection,
    name: CString,
    spec: PcmSpec,
}

impl Pulse {
    /// Opens a stream to a device by its name or description, or to the default one.
    ///
    /// # Errors
    /// Where no server answers, or it has no such device.
    pub fn open(
        &self,
        device: Option<&str>,
        role: &str,
        feed: &mut dyn FnMut(PcmSpec) -> Tap,
    ) -> Result<Box<dyn Card>, CardError> {
        let name = device.map(str::to_owned);
        let Sink { client, connection, name, spec } =
            self.ask(move || find_sink(name.as_deref()))??;
        let (tap, role) = (feed(spec), role.to_owned());
        let stream = self.ask(move || play(&client, name, &role, tap))??;
        info!(host = "PulseAudio", rate_hz = spec.sample_rate_hz, "sound card opened");
        let failure = Arc::new(Mutex::new(None));
        let (noted, watched) = (Arc::clone(&failure), stream.clone());
        // Ends with the stream, whoever ends it.
        spawn_named("pulse-end", move || {
            if let Err(error) = block_on(watched.source_eof()) {
                *noted.lock() = Some(format!("the sound server is gone: {error}"));
            }
        })
        .map_err(CardError::Thread)?;
        Ok(Box::new(PulseCard { stream, failure, _connection: connection }))
    }

    /// Asks the server something, and gives it up where it does not answer.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CardError> {
        if self.is_hanging.swap(true, Ordering::AcqRel) {
            return Err(CardError::Hangs);
        }
        let (tell, told) = bounded(1);
        let asking = Asking(Arc::clone(&self.is_hanging));
        spawn_named("pulse-ask", move || {
            let answer = question();
            drop(asking);
            let _gave_up = tell.send(answer);
        })
        .map_err(CardError::Thread)?;
        told.recv_timeout(PATIENCE).map_err(|_| CardError::Hangs)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn no_device(error: impl ToString) -> CardError {
    CardError::NoDevice { reason: error.to_string() }
}

fn find_sink(device: Option<&str>) -> Result<Sink, CardError> {
    let path =
        pulseaudio::socket_path_from_env().ok_or_else(|| no_device("no sound server runs"))?;
    let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok());
    // A server that lets its own user in without a cookie still throws out who sends one of another length.
    let cookie = cookie.unwrap_or_else(|| vec![0; COOKIE_BYTES]);
    let socket = UnixStream::connect(path).map_err(no_device)?;
    let connection = Connection(socket.try_clone().map_err(no_device)?);
    let client = Client::new_unix(NAME, socket, Some(cookie)).map_err(no_device)?;
    let sinks = block_on(client.list_sinks()).map_err(no_device)?;
    let text = |name: &CString| name.to_string_lossy().into_owned();
    let (name, rate_hz) = match device {
        None => {
            let server = block_on(client.server_info()).map_err(no_device)?;
            let default =
                sinks.iter().find(|sink| Some(&sink.name) == server.default_sink_name.as_ref());
            let sink = default
                .or(sinks.first())
                .ok_or_else(|| no_device("the sound server has no device"))?;
            // By this name the server moves it along when the default changes.
            (DEFAULT_SINK.to_owned(), sink.sample_spec.sample_rate)
        }
        Some(wanted) => {
            let is_it = |name: &CString| text(name) == wanted;
            let found = sinks
                .iter()
                .find(|sink| is_it(&sink.name) || sink.description.as_ref().is_some_and(is_it));
            let Some(sink) = found else {
                let known = sinks.iter().map(|sink| match &sink.description {
                    Some(description) => format!("{} ({})", text(&sink.name), text(description)),
                    None => text(&sink.name),
                });
                let (name, known) = (wanted.to_owned(), known.collect());
                return Err(CardError::UnknownDevice { name, known });
            };
            (sink.name.clone(), sink.sample_spec.sample_rate)
        }
    };
    // The server resamples what it must; what is common needs none.
    let rate_hz = if (8_000..=192_000).contains(&rate_hz) { rate_hz } else { 48_000 };
    Ok(Sink { client, connection, name, spec: PcmSpec::new(rate_hz) })
}

fn play(
    client: &Client,
    sink: CString,
    role: &str,
    mut tap: Tap,
) -> Result<PlaybackStream, CardError> {
    let spec = tap.spec();
    let mut props = Props::new();
    for prop in [Prop::ApplicationName, Prop::ApplicationId, Prop::ApplicationIconName] {
        props.set(prop, NAME);
    }
    props.set(Prop::MediaName, c"speech");
    props.set(Prop::MediaRole, CString::new(role).map_err(no_device)?);
    let n_bytes = u32::try_from(spec.samples_in(BUFFER) * SAMPLE_BYTES).unwrap_or(u32::MAX);
    let params = PlaybackStreamParams {
        sample_spec: SampleSpec {
            format: SampleFormat::Float32Le,
            channels: 1,
            sample_rate: spec.sample_rate_hz.get(),
        },
        channel_map: ChannelMap::mono(),
        sink_name: Some(sink),
        buffer_attr: BufferAttr {
            max_length: 2 * n_bytes,
            target_length: n_bytes,
            // It plays as soon as there is something.
            pre_buffering: 0,
            minimum_request_length: n_bytes / 4,
            ..BufferAttr::default()
        },
        props,
        flags: StreamFlags { adjust_latency: true, ..StreamFlags::default() },
        ..PlaybackStreamParams::default()
    };
    let source = move |buffer: &mut [u8]| {
        for bytes in buffer.chunks_exact_mut(SAMPLE_BYTES) {
            // Silence once the feed is gone: the card is closed at the next moment.
            let sample = tap.next_sample().unwrap_or(0.0);
            bytes.copy_from_slice(&sample.to_le_bytes());
        }
        buffer.len() - buffer.len() % SAMPLE_BYTES
    };
    block_on(client.create_playback_stream(params, source.as_playback_source())).map_err(no_device)
}

struct PulseCard {
    stream: PlaybackStream,
    /// Contended by the thread that sees the end, and playback.
    failure: Arc<Mutex<Option<String>>>,
    _connection: Connection,
}

impl Card for PulseCard {
    fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    fn pulls_always(&self) -> bool {
        true
    }

    fn latency(&self) -> Duration {
        2 * BUFFER
    }
}

impl Drop for PulseCard {
    fn drop(&mut self) {
        // Queued, not waited for: the server may be gone.
        let _queued = self.stream.clone().delete().now_or_never();
    }
}
