//! Whose turn it is at the engines: pieces of lines and of streams alternate. Pure.

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// What goes to the card.
    Line,
    /// What goes to whoever asked for it.
    Stream,
}

/// How much a line needs its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It is important, or there is something important behind it, or it is to be ended.
    Urgent,
    /// The card may soon have nothing to play.
    Short,
    /// There is sound enough for now.
    Usual,
}

/// So many turns in a row a line has for which sound is short: an engine that is slower than speech would never leave any to
/// the streams.
const SHORT_TURNS: u32 = 2;

/// Who had the last turns, and what came of them.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// How many turns lines had since the last stream.
    n_lines: u32,
    has_passed: bool,
}

impl Turns {
    /// Who has the next turn, where a line has something to say, and where streams do.
    pub(super) fn next(&mut self, line: Option<Need>, has_streams: bool) -> Option<Whose> {
        let has_passed = std::mem::take(&mut self.has_passed);
        let whose = match line {
            None if has_streams => Whose::Stream,
            None => return None,
            Some(_) if !has_streams => Whose::Line,
            Some(_) if has_passed => Whose::Stream,
            Some(Need::Urgent) => Whose::Line,
            Some(Need::Short) if self.n_lines < SHORT_TURNS => Whose::Line,
            Some(Need::Usual) if self.n_lines == 0 => Whose::Line,
            Some(Need::Short | Need::Usual) => Whose::Stream,
        };
        self.n_lines = match whose {
            Whose::Line => self.n_lines.saturating_add(1),
            Whose::Stream => 0,
        };
        Some(whose)
    }

    /// The line could not use its turn: there is no room for what it would say.
    pub(super) fn pass(&mut self) {
        self.has_passed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(line: Option<Need>, has_streams: bool) -> String {
        let mut turns = Turns::default();
        let next = |_| match turns.next(line, has_streams) {
            None => '-',
            Some(Whose::Line) => 'L',
            Some(Whose::Stream) => 'S',
        };
        (0..6).map(next).collect()
    }

    #[test]
    fn lines_and_streams_alternate_and_what_is_alone_goes_on() {
        assert_eq!(turns(None, false), "------");
        assert_eq!(turns(None, true), "SSSSSS");
        assert_eq!(turns(Some(Need::Usual), false), "LLLLLL");
        assert_eq!(turns(Some(Need::Usual), true), "LSLSLS");
        assert_eq!(turns(Some(Need::Short), true), "LLSLLS");
        assert_eq!(turns(Some(Need::Urgent), true), "LLLLLL");
    }

    #[test]
    fn a_line_that_has_no_room_leaves_its_turn_to_a_stream() {
        for need in [Need::Usual, Need::Urgent] {
            let mut turns = Turns::default();
            assert_eq!(turns.next(Some(need), true), Some(Whose::Line));
            turns.pass();
            assert_eq!(turns.next(Some(need), true), Some(Whose::Stream));
            assert_eq!(turns.next(Some(need), true), Some(Whose::Line), "it asks again");
        }
    }
}
