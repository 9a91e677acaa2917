//! Clients that drop, babble, and do not read: they lose only themselves.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use speakerd::control::client::ClientError;
use speakerd::control::protocol::{RefusalCode, Request};

use super::heard::Heard;
use super::plan::{Dice, Progress, plan};
use super::report::{Bound, Section};
use super::sampler::{Quiet, Sampler};
use super::{Over, SILENT, ask, connect, settle, slowest_ms};
use crate::support::program::Home;

/// Readers of `subscribe` who take a few bytes at a time, and as many who take none; and as many deaf followers.
const N_SLOW: usize = 25;

/// An answer that takes longer is one that somebody else was waited for.
const SLOW_MS: f64 = 5_000.0;

/// Room for all of them at once, so that the well-behaved are not turned away because of the others.
const CONFIG: &str = "[limits]\nmax_clients = 500\n[[watch]]\npath = \"$HOME/alpha.log\"\n";

fn open(home: &Home) -> UnixStream {
    UnixStream::connect(home.path("run/speakerd/control.sock")).unwrap()
}

#[test]
fn dropped_connections_garbage_and_slow_readers_disturb_nobody_and_leave_nothing() {
    let (n_rounds, n_dropped) = (plan(2, 10), 1_000);
    let mut section = Section::new("05-clients", "Clients that misbehave");
    let (mut progress, mut dice) = (Progress::of("clients"), Dice::new());
    let home = Home::new(&format!("{SILENT}{CONFIG}"));
    home.append("alpha.log", "");
    let mut daemon = home.start();
    let heard = Heard::default();
    let follower = heard.follow(&home);
    let mut n_written = 0;
    let mut times = Vec::new();
    let mut line = |times: &mut Vec<Duration>| {
        n_written += 1;
        home.append("alpha.log", &format!("alpha {n_written}\n"));
        let begun = Instant::now();
        match connect(&home).and_then(|mut client| client.ask(&Request::Status)) {
            // Those who dropped are still being counted.
            Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::TooManyClients => {}
            answer => {
                answer.unwrap();
                times.push(begun.elapsed());
            }
        }
        n_written
    };
    // What the first of them costs for good belongs to the start.
    for _ in 0..n_dropped / 10 {
        drop(open(&home));
    }
    heard.wait_for(line(&mut times));
    let quiet = Quiet::of(&daemon);
    let sampler = Sampler::of(&daemon);
    let is_over = AtomicBool::new(false);
    let n_read = std::thread::scope(|scope| {
        let over = Over(&is_over);
        let asking = |request: &[u8]| {
            let mut stream = open(&home);
            stream.write_all(request).unwrap();
            stream
        };
        let (subscribe, follow) = (&b"\"subscribe\"\n"[..], b"{\"history\":{\"follow\":true}}\n");
        let deaf: Vec<_> = (0..N_SLOW).flat_map(|_| [asking(subscribe), asking(follow)]).collect();
        let mut slow: Vec<_> = (0..N_SLOW).map(|_| asking(subscribe)).collect();
        let is_over = &is_over;
        let reader = scope.spawn(move || {
            let mut n_read = 0;
            while !is_over.load(Ordering::Relaxed) {
                for stream in &mut slow {
                    // There may be nothing to read now.
                    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                    n_read += stream.read(&mut [0; 64]).unwrap_or(0);
                }
            }
            drop(deaf);
            n_read
        });
        for round in 0..n_rounds {
            for n in 0..n_dropped {
                progress.tell(round * n_dropped + n, n_rounds * n_dropped, "connections");
                let mut stream = open(&home);
                if n % 2 == 0 {
                    let bytes = (0..dice.below(2_000)).map(|_| u8::try_from(dice.below(256)));
                    let garbage: Vec<u8> = bytes.map(Result::unwrap).collect();
                    drop(stream.write_all(&garbage)); // it may be turned away
                }
                drop(stream);
                if n % 50 == 0 {
                    line(&mut times);
                }
            }
        }
        settle(&home);
        drop(over);
        reader.join().unwrap()
    });
    let n_written = line(&mut times);
    heard.wait_for(n_written);
    let samples = sampler.end();
    section.quiet(quiet, |before| before.again(&daemon));
    ask(&home, &Request::Version);
    assert!(daemon.end_with(Signal::TERM).success());
    follower.end();
    section.done(format!(
        "{} connections were opened and dropped, half of them with up to 2 kB of garbage, while {} subscribers read \
         slowly or not at all, {N_SLOW} followers of the history read nothing, and lines came.",
        n_rounds * n_dropped,
        2 * N_SLOW
    ));
    heard.judge(&mut section, &[("alpha", n_written)]);
    section.count("bytes that the slow ones read", n_read, Bound::AtLeast(N_SLOW as f64));
    section.count("answers meanwhile", times.len(), Bound::AtLeast(n_rounds as f64));
    section.fact("slowest answer, ms", slowest_ms(&times), Bound::AtMost(SLOW_MS));
    section.taken_flat(&samples);
    section.end();
}
