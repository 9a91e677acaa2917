//! One voice after the other is made of a recording while the daemon speaks.

use rustix::process::Signal;
use speakerd::control::protocol::{Request, Say};

use super::heard::Heard;
use super::plan::{Progress, plan};
use super::report::{Bound, FLAT_MB, Section};
use super::sampler::{Quiet, Sampler};
use super::{SILENT, ask, settle, status};
use crate::support::program::Home;
use crate::voices::{install, recording};

/// The states of so many voices are kept; from then on another one takes the place of one of them.
const N_KEPT: usize = 4;

#[test]
fn many_uploads_in_a_row_are_all_voices_and_give_their_memory_back() {
    let n_uploads = plan(N_KEPT + 2, 10);
    let mut section = Section::new("04-uploads", "Voices, one after the other");
    let mut progress = Progress::of("uploads");
    let home =
        Home::new(&format!("{SILENT}[[watch]]\npath = \"$HOME/alpha.log\"\nvoice = \"rms\"\n"));
    install(&home, "english");
    home.append("alpha.log", "");
    let mut daemon = home.start();
    let heard = Heard::default();
    let follower = heard.follow(&home);
    let file = recording(&home, "voice.wav", 4);
    let (mut resident_mb, mut quiet, mut n_written) = (Vec::new(), None, 0);
    let sampler = Sampler::of(&daemon);
    for n in 1..=n_uploads {
        progress.tell(n, n_uploads, "voices");
        let name = format!("voice-{n}");
        let mut adding = home
            .command(&["voice", "add", &name, &file, "--consent", "a test"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while adding.try_wait().unwrap().is_none() {
            n_written += 1;
            home.append("alpha.log", &format!("alpha {n_written}\n"));
            heard.wait_for(n_written + n - 1);
        }
        assert!(adding.wait().unwrap().success(), "{}", home.log());
        let text = format!("voice {n}");
        ask(&home, &Request::Say(Say { text, voice: Some(name), wait: true, ..Say::default() }));
        heard.wait_for(n_written + n);
        resident_mb.push(status(&home).daemon.resident_bytes as f64 / 1e6);
        if n == 1 {
            quiet = Quiet::of(&daemon);
        }
    }
    let samples = sampler.end();
    settle(&home);
    section.quiet(quiet, |before| before.again(&daemon));
    let spoken = heard.with(|entries| {
        entries.iter().filter(|entry| entry.spoken_voice.as_deref() == Some(&entry.voice)).count()
    });
    ask(&home, &Request::Unload);
    super::wait_until(&home, "the unload", |status| status.engine.loaded.is_empty());
    assert!(daemon.end_with(Signal::TERM).success());
    follower.end();
    section.done(format!(
        "{n_uploads} voices were made of recordings, one after the other, by a tiny model with random weights; a file was \
         read by another voice meanwhile, and each new voice said something at once."
    ));
    heard.judge(&mut section, &[("alpha", n_written), ("voice", n_uploads)]);
    section.count(
        "lines spoken by who was asked",
        spoken,
        Bound::Exactly((n_written + n_uploads) as f64),
    );
    let (last, full) = (resident_mb.last().unwrap(), resident_mb[N_KEPT - 1]);
    let what = format!("memory after the last voice over that after the {N_KEPT}th, MB");
    section.fact(what, last - full, Bound::AtMost(FLAT_MB));
    let curve = resident_mb.iter().enumerate().map(|(idx, mb)| ((idx + 1) as f64, *mb)).collect();
    section.taken(&samples);
    section.curve("resident memory after each voice, MB (a voice for a second)", curve);
    section.end();
}
