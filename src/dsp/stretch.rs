//! Speech faster or slower at the same pitch: waveform similarity overlap-add (WSOLA).
//!
//! Reference: Verhelst and Roelands, "An overlap-add technique based on waveform similarity", ICASSP 1993. Windows of the
//! input are laid over each other at even distances; each is taken from near its place, where it goes on from the one
//! before as the input itself does.

/// A window holds a few periods of any voice: 30 ms.
const WINDOW_MS: u32 = 30;

/// How far from its place a window may be taken, either way: a period of a low voice.
const SEARCH_MS: u32 = 10;

/// Changes the speed of one piece of speech, part by part.
#[derive(Debug, Clone)]
pub struct Stretch {
    rate: f64,
    /// Half a window: how far windows are laid from each other.
    hop: usize,
    search: usize,
    /// The rising half of the window; the falling one is what is missing to 1.
    rise: Vec<f32>,
    /// Input that is still needed.
    input: Vec<f32>,
    /// Where its first sample is in the whole input.
    input_begin: usize,
    /// How many windows were laid.
    n_windows: usize,
    /// Where the last one was taken from.
    last_at: Option<usize>,
}

impl Stretch {
    /// For speech at that rate in Hz, to be spoken `rate` times as fast.
    pub fn new(rate_hz: u32, rate: f32) -> Self {
        let samples = |ms: u32| (rate_hz * ms / 1_000) as usize;
        let hop = samples(WINDOW_MS) / 2;
        let rise = |idx: usize| {
            let at = (idx as f32 + 0.5) / hop as f32;
            0.5 - 0.5 * (std::f32::consts::PI * at).cos()
        };
        Self {
            rate: f64::from(rate.clamp(0.1, 10.0)),
            hop,
            search: samples(SEARCH_MS),
            rise: (0..hop).map(rise).collect(),
            input: Vec::new(),
            input_begin: 0,
            n_windows: 0,
            last_at: None,
        }
    }

    /// Takes the next part in; what is ready of the output is appended.
    pub fn push(&mut self, input: &[f32], output: &mut Vec<f32>) {
        self.input.extend_from_slice(input);
        let end = self.input_begin + self.input.len();
        // The window after this one is compared with what follows it, and may be taken from further on.
        while self.place() + self.search + 3 * self.hop <= end {
            self.lay(output);
        }
    }

    /// The input is over: appends the rest.
    pub fn finish(mut self, output: &mut Vec<f32>) {
        let end = self.input_begin + self.input.len();
        let n_silent = self.search + 3 * self.hop;
        self.input.resize(self.input.len() + n_silent, 0.0);
        while self.place() < end {
            self.lay(output);
        }
    }

    /// Where the next window belongs in the input.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place")]
    fn place(&self) -> usize {
        (self.n_windows as f64 * self.hop as f64 * self.rate) as usize
    }

    /// Lays one window: the end of the last one fades out while this one fades in.
    fn lay(&mut self, output: &mut Vec<f32>) {
        let place = self.place();
        let at = match self.last_at {
            None => place,
            Some(last_at) => self.nearest(last_at + self.hop, place),
        };
        let input = &self.input;
        let begin = self.input_begin;
        let sample = |at: usize| input.get(at.wrapping_sub(begin)).copied().unwrap_or(0.0);
        for (idx, rise) in self.rise.iter().enumerate() {
            let before = match self.last_at {
                Some(last_at) => sample(last_at + self.hop + idx),
                None => sample(at + idx),
            };
            output.push(before + rise * (sample(at + idx) - before));
        }
        self.n_windows += 1;
        self.last_at = Some(at);
        let needed = (at + self.hop).min(self.place().saturating_sub(self.search));
        let n_done = needed.saturating_sub(self.input_begin).min(self.input.len());
        // Not at every window: each time what is left has to be moved.
        if n_done > 16 * self.hop {
            self.input.drain(..n_done);
            self.input_begin += n_done;
        }
    }

    /// The place near `place` whose samples are most like those that follow the last window.
    fn nearest(&self, follows: usize, place: usize) -> usize {
        let slice = |at: usize| {
            let at = at.checked_sub(self.input_begin)?;
            self.input.get(at..at + self.hop)
        };
        let Some(wanted) = slice(follows) else { return place };
        let likeness = |at: usize| {
            let found = slice(at)?;
            let product: f32 = wanted.iter().zip(found).map(|(a, b)| a * b).sum();
            let power: f32 = found.iter().map(|sample| sample * sample).sum();
            Some(product / (power + 1e-6).sqrt())
        };
        // The place itself first: in silence all are alike.
        let places = std::iter::once(place)
            .chain(place.saturating_sub(self.search)..=place + self.search)
            .filter_map(|at| Some((at, likeness(at)?)));
        let best = places.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(place, |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::Stretch;

    const RATE_HZ: u32 = 24_000;

    fn tone(hz: f32, n: usize) -> Vec<f32> {
        let sample =
            |idx: usize| 0.5 * (idx as f32 * hz * std::f32::consts::TAU / RATE_HZ as f32).sin();
        (0..n).map(sample).collect()
    }

    fn stretched(input: &[f32], rate: f32, part: usize) -> Vec<f32> {
        let mut stretch = Stretch::new(RATE_HZ, rate);
        let mut output = Vec::new();
        for part in input.chunks(part) {
            stretch.push(part, &mut output);
        }
        stretch.finish(&mut output);
        output
    }

    fn n_crossings(samples: &[f32]) -> usize {
        samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count()
    }

    #[test]
    fn the_length_changes_and_the_pitch_and_level_do_not() {
        let input = tone(150.0, 48_000);
        for rate in [0.25, 0.5, 0.8, 1.0, 1.3, 2.0, 4.0] {
            let output = stretched(&input, rate, 1_920);
            let wanted = input.len() as f32 / rate;
            assert!((output.len() as f32 - wanted).abs() <= 720.0, "{rate}: {}", output.len());
            let secs = output.len() as f32 / RATE_HZ as f32;
            let hz = n_crossings(&output) as f32 / secs;
            assert!((hz - 150.0).abs() < 4.0, "{rate}: {hz} Hz");
            let middle = &output[output.len() / 4..output.len() * 3 / 4];
            let peak = middle.iter().fold(0.0_f32, |peak, it| peak.max(it.abs()));
            assert!((0.45..=0.51).contains(&peak), "{rate}: {peak}");
        }
    }

    #[test]
    fn it_does_not_matter_how_the_input_is_cut() {
        let input: Vec<f32> =
            tone(220.0, 20_000).iter().zip(tone(3.0, 20_000)).map(|(a, b)| a * b).collect();
        for rate in [0.7, 1.9] {
            let whole = stretched(&input, rate, input.len());
            for part in [1, 77, 1_920] {
                assert_eq!(stretched(&input, rate, part), whole, "{rate}, {part}");
            }
        }
    }

    #[test]
    fn little_and_nothing_and_silence_survive() {
        for input in [vec![], vec![0.5], vec![0.0; 5_000]] {
            for rate in [0.25, 4.0] {
                let output = stretched(&input, rate, 100);
                assert!(output.iter().all(|sample| sample.abs() <= 0.5));
                assert_eq!(output.is_empty(), input.is_empty());
            }
        }
    }
}
