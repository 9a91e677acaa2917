use super::*;
use crate::speech::UtteranceId;

const SPEC: PcmSpec = PcmSpec::new(48_000);

fn rig() -> (TapFeed, Tap, Steering) {
    let steering = Steering::default();
    let (feed, tap) = tap(SPEC, &steering);
    (feed, tap, steering)
}

fn id(number: u64) -> UtteranceId {
    UtteranceId::from_number(number).unwrap()
}

/// Sends an utterance of full blocks, each sample of which is `level`.
fn send(feed: &TapFeed, id: u64, n_blocks: usize, level: f32) {
    for idx in 0..n_blocks {
        feed.blocks.send(Block::new(id, &[level; BLOCK_SAMPLES], idx + 1 == n_blocks)).unwrap();
    }
}

fn pull(tap: &mut Tap, n_samples: usize) -> Vec<f32> {
    (0..n_samples).map(|_| tap.next_sample().unwrap()).collect()
}

fn events(feed: &TapFeed) -> Vec<(char, u64)> {
    feed.events
        .try_iter()
        .map(|event| match event {
            TapEvent::Started(id, _) => ('s', id),
            TapEvent::Finished(id, _) => ('f', id),
            TapEvent::Cut(id, _) => ('c', id),
        })
        .collect()
}

/// The largest step between neighbouring samples: a click is a large one.
fn steepest(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

#[test]
fn every_sample_comes_out_once_and_events_frame_them() {
    let (feed, mut tap, _steering) = rig();
    send(&feed, 1, 2, 0.5);
    send(&feed, 2, 1, 0.25);
    let heard = pull(&mut tap, 4 * BLOCK_SAMPLES);
    assert_eq!(heard[300..2 * BLOCK_SAMPLES], [0.5; 660], "after the ramp at the very start");
    assert!(heard[3 * BLOCK_SAMPLES..].iter().all(|sample| *sample == 0.0));
    assert_eq!(events(&feed), [('s', 1), ('f', 1), ('s', 2), ('f', 2)]);
}

#[test]
fn a_skip_is_silent_after_five_milliseconds_without_a_click_and_the_next_one_sounds() {
    let (feed, mut tap, steering) = rig();
    send(&feed, 1, 10, 0.5);
    send(&feed, 2, 3, 0.5);
    pull(&mut tap, 1_000);
    steering.skip(id(1));
    let heard = pull(&mut tap, 1_000);
    assert!(steepest(&heard) < 0.01, "{}", steepest(&heard));
    let n_ramp = SPEC.samples_in(RAMP);
    assert!(heard[n_ramp] < 0.01);
    assert!(heard[2 * n_ramp + 10] > 0.4, "the next one has begun");
    assert_eq!(events(&feed), [('s', 1), ('c', 1), ('s', 2)]);
}

#[test]
fn what_still_comes_of_a_skipped_utterance_is_dropped() {
    let (feed, mut tap, steering) = rig();
    send(&feed, 1, 3, 0.5);
    pull(&mut tap, 100);
    steering.skip(id(1));
    pull(&mut tap, 2_000);
    steering.skip(id(7));
    send(&feed, 1, 3, 0.5);
    assert!(pull(&mut tap, 2_000).iter().all(|sample| *sample == 0.0));
    assert_eq!(events(&feed), [('s', 1), ('c', 1)]);
}

#[test]
fn a_clear_takes_everything_that_waits() {
    let (feed, mut tap, steering) = rig();
    send(&feed, 1, 2, 0.5);
    send(&feed, 2, 2, 0.5);
    send(&feed, 3, 2, 0.5);
    pull(&mut tap, 500);
    steering.clear_through(2);
    let heard = pull(&mut tap, 3 * BLOCK_SAMPLES);
    assert_eq!(events(&feed), [('s', 1), ('c', 1), ('c', 2), ('s', 3), ('f', 3)]);
    assert!(steepest(&heard[..900]) < 0.01);
}

#[test]
fn a_pause_holds_the_sound_where_it_is() {
    let (feed, mut tap, steering) = rig();
    send(&feed, 1, 4, 0.5);
    let mut n_heard = pull(&mut tap, 1_000).len();
    steering.set_paused(true);
    let ramp = pull(&mut tap, 5_000);
    assert!(steepest(&ramp) < 0.01);
    n_heard += ramp.iter().filter(|sample| **sample != 0.0).count();
    assert_eq!(events(&feed), [('s', 1)]);
    steering.set_paused(false);
    let rest = pull(&mut tap, 5_000);
    assert!(steepest(&rest[..500]) < 0.01);
    n_heard += rest.iter().filter(|sample| **sample != 0.0).count();
    assert_eq!(n_heard, 4 * BLOCK_SAMPLES, "nothing is lost by a pause");
    assert_eq!(events(&feed), [('f', 1)]);
}

#[test]
fn a_skip_reaches_a_paused_utterance() {
    let (feed, mut tap, steering) = rig();
    send(&feed, 1, 4, 0.5);
    pull(&mut tap, 500);
    steering.set_paused(true);
    pull(&mut tap, 500);
    steering.skip(id(1));
    pull(&mut tap, 500);
    assert_eq!(events(&feed), [('s', 1), ('c', 1)]);
}

#[test]
fn volume_and_mute_are_ramps() {
    let (feed, mut tap, steering) = rig();
    send(&feed, 1, 20, 0.5);
    let mut heard = pull(&mut tap, 1_000);
    steering.set_volume(0.5);
    heard.extend(pull(&mut tap, 1_000));
    assert!((heard[1_900] - 0.25).abs() < 1e-6);
    steering.set_muted(true);
    heard.extend(pull(&mut tap, 1_000));
    assert!(heard[2_900].abs() < 1e-6);
    assert!(steepest(&heard) < 0.01);
}

#[test]
fn a_starved_utterance_counts_one_underrun_and_silence_between_two_none() {
    let (feed, mut tap, _steering) = rig();
    feed.blocks.send(Block::new(1, &[0.5; BLOCK_SAMPLES], false)).unwrap();
    pull(&mut tap, 1_000);
    feed.blocks.send(Block::new(1, &[], true)).unwrap();
    pull(&mut tap, 1_000);
    assert_eq!(feed.n_underruns.load(Ordering::Relaxed), 1);
    assert_eq!(events(&feed), [('s', 1), ('f', 1)]);
}

#[test]
fn cards_of_our_own_get_one_utterance_at_a_time() {
    let (feed, mut tap, steering) = rig();
    send(&feed, 1, 2, 0.5);
    send(&feed, 2, 2, 0.5);
    let mut out = Vec::new();
    assert_eq!(tap.pull(&mut out), Pulled::Audio { id: 1, is_over: false });
    assert_eq!(tap.pull(&mut out), Pulled::Audio { id: 1, is_over: true });
    assert_eq!(out.len(), BLOCK_SAMPLES);
    steering.skip(id(2));
    let cut: Vec<_> = std::iter::from_fn(|| Some(tap.pull(&mut out))).take(2).collect();
    assert_eq!(cut, [Pulled::Audio { id: 2, is_over: true }, Pulled::Idle]);
    assert_eq!(events(&feed), [], "told only when the samples are where they belong");
    tap.tell();
    assert_eq!(events(&feed), [('s', 1), ('f', 1), ('c', 2)]);
    drop(feed);
    assert_eq!(tap.pull(&mut out), Pulled::Closed);
}

/// The real mixer, pulled by hand: mono to a stereo card at the same rate loses nothing.
#[cfg(feature = "card")]
#[test]
fn the_real_mixer_passes_every_sample_to_both_sides() {
    use std::num::NonZero;
    let (feed, tap, _steering) = rig();
    let (mixer, mut card) =
        rodio::mixer::mixer(NonZero::new(2).unwrap(), NonZero::new(48_000).unwrap());
    mixer.add(crate::playback::device::TapSource(tap));
    send(&feed, 1, 4, 0.5);
    let heard: Vec<f32> = card.by_ref().take(2 * 5 * BLOCK_SAMPLES).collect();
    let sides: Vec<_> = heard.chunks(2).collect();
    assert!(sides.iter().all(|pair| pair[0].to_bits() == pair[1].to_bits()));
    let n_heard = sides.iter().filter(|pair| pair[0] != 0.0).count();
    assert_eq!(n_heard, 4 * BLOCK_SAMPLES);
    assert_eq!(events(&feed), [('s', 1), ('f', 1)]);
}
