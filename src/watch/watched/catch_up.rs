//! What is done with lines that came while the daemon was down.

use std::time::Instant;

use tracing::info;

use super::super::words;
use super::Watched;
use super::lines::Spoken;
use crate::config::CatchUp;

/// How many lines of a backlog are counted for its announcement, and in how many turns of a few megabytes: the daemon
/// starts meanwhile.
const MAX_ANNOUNCED: u64 = 100_000;
const MAX_TURNS: usize = 16;

impl Watched {
    /// Does with what came while the daemon was down as the setting says.
    pub(super) fn catch_up(&mut self, now: Instant) {
        let n_bytes = self.progress().1;
        if n_bytes == 0 || self.config.backlog == CatchUp::Read {
            return;
        }
        if self.config.backlog == CatchUp::Announce {
            let announcement = self.announce_backlog(now);
            self.first.extend(announcement);
        }
        let n_bytes = self.skip_to_end(now);
        info!(path = %self.path.display(), n_bytes, "passed over what came before the start");
    }

    /// Counts what waits. The bookmark stays in front of it until the announcement was heard.
    fn announce_backlog(&mut self, now: Instant) -> Option<Spoken> {
        let tail = self.tail.as_mut()?;
        let (mut block, mut n_lines, mut has_more) = (Vec::new(), 0, true);
        for _ in 0..MAX_TURNS {
            let counted = tail.scout(&mut block, MAX_ANNOUNCED - n_lines);
            let Ok((segments, is_more)) = counted else { return None };
            n_lines += segments.iter().map(|segment| segment.n_lines).sum::<u64>();
            has_more = is_more;
            if !has_more || n_lines >= MAX_ANNOUNCED {
                break;
            }
        }
        let (generation, mark) = tail.oldest_mark()?;
        if n_lines == 0 {
            return None;
        }
        let words = words::announcement(n_lines, has_more, &self.path);
        let number = self.run.push(generation, mark);
        Some(Spoken { order: self.order(words.into(), None, Some(now)), number, n_bytes: 1 })
    }
}
