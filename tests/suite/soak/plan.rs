//! How much is done, with which dice, and a word now and then where it takes long.

use std::time::{Duration, Instant};

/// Whether the long form was asked for.
pub(super) fn is_long() -> bool {
    match std::env::var("SPEAKERD_SOAK").as_deref() {
        Ok("long") => true,
        Ok("short") | Err(_) => false,
        Ok(other) => panic!("SPEAKERD_SOAK is \"long\" or \"short\", not {other:?}"),
    }
}

/// The plan for the form that was asked for.
pub(super) fn plan<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}

/// What the dice begin with.
pub(super) fn seed() -> u64 {
    let seed = std::env::var("SPEAKERD_SOAK_SEED").ok();
    seed.map_or(7, |seed| seed.parse().expect("SPEAKERD_SOAK_SEED is a number"))
}

/// Numbers that look random, and are the same for the same seed (splitmix64, Steele et al. 2014).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new() -> Self {
        Self(seed())
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % n as u64).unwrap()
    }
}

/// How far a long run is, said on standard error.
pub(super) struct Progress {
    scenario: &'static str,
    told_at: Instant,
}

/// Often enough to see that it goes on.
const TOLD_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    pub(super) fn of(scenario: &'static str) -> Self {
        Self { scenario, told_at: Instant::now() }
    }

    #[expect(clippy::print_stderr, reason = "whoever waits for minutes should see that it goes on")]
    pub(super) fn tell(&mut self, n_done: usize, n_planned: usize, what: &str) {
        if is_long() && self.told_at.elapsed() >= TOLD_EVERY {
            self.told_at = Instant::now();
            eprintln!("{}: {n_done} of {n_planned} {what}", self.scenario);
        }
    }
}
