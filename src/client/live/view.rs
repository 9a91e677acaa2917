//! What is on the screen. Pure: a view in, cells out.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, List, ListItem, Paragraph, Row, Sparkline, Table};

use crate::client::show;
use crate::history::Entry;
use crate::queue::Waiting;
use crate::speech::Outcome;
use crate::status::{CardState, Status};

/// Points of a curve: more than a terminal is wide.
const MAX_POINTS: usize = 400;

const KEYS: &str = " s skip  space pause  r replay  m mute  +/- volume  q quit";

/// What is known.
#[derive(Debug, Default)]
pub(super) struct View {
    status: Option<Status>,
    queue: Vec<Waiting>,
    /// Resident memory in KiB, once a second.
    memory: VecDeque<u64>,
    /// From queued to first sample in ms, of each line that was heard.
    latencies: VecDeque<u64>,
    /// Computing time for a second of audio in thousandths, of each line that was heard.
    factors: VecDeque<u64>,
    /// How many are open, once a second.
    open: VecDeque<u64>,
    /// Lines that were spoken when a factor was noted last.
    n_spoken: u64,
    /// The last line that was over.
    last: Option<Entry>,
    /// Why nothing is known, or a key was not obeyed.
    problem: Option<String>,
}

impl View {
    pub(super) fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    pub(super) fn update(&mut self, status: Status, queue: Vec<Waiting>) {
        if self.status.is_none() {
            self.problem = None;
        }
        let n_spoken = status.queue.outcomes.n_spoken;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "thousandths, never negative"
        )]
        if let Some(factor) = status.queue.real_time_factor
            && n_spoken != self.n_spoken
        {
            push(&mut self.factors, (factor.max(0.0) * 1e3) as u64);
        }
        self.n_spoken = n_spoken;
        (self.status, self.queue) = (Some(status), queue);
    }

    pub(super) fn lose(&mut self, problem: String) {
        self.status = None;
        self.queue.clear();
        self.problem = Some(problem);
    }

    pub(super) fn note_answer(&mut self, problem: Option<String>) {
        self.problem = problem;
    }

    pub(super) fn note_pace(&mut self, status: &Status) {
        let daemon = &status.daemon;
        push(&mut self.memory, (daemon.resident_bytes + daemon.children_bytes) / 1_024);
        push(&mut self.open, status.queue.n_open as u64);
    }

    pub(super) fn note_entries(&mut self, entries: impl Iterator<Item = Entry>) {
        for entry in entries {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "milliseconds, never negative"
            )]
            if let Some(ms) = entry.first_audio_ms.filter(|_| entry.outcome == Outcome::Spoken) {
                push(&mut self.latencies, ms.max(0.0) as u64);
            }
            self.last = Some(entry);
        }
    }
}

fn push(points: &mut VecDeque<u64>, point: u64) {
    points.push_back(point);
    while points.len() > MAX_POINTS {
        points.pop_front();
    }
}

/// Draws it.
pub(super) fn draw(view: &View, frame: &mut Frame<'_>) {
    let alerts = view.status.as_ref().map_or(&[][..], |status| &status.alerts);
    let n_alerts = u16::try_from(alerts.len()).unwrap_or(u16::MAX);
    let [head, red, sound, lists, done, curves, keys] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(n_alerts),
        Constraint::Length(4),
        Constraint::Min(4),
        Constraint::Length(1),
        Constraint::Length(8),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let Some(status) = &view.status else {
        let problem = view.problem.as_deref().unwrap_or("asking the daemon …");
        frame.render_widget(
            Paragraph::new(problem).wrap(ratatui::widgets::Wrap { trim: true }),
            frame.area(),
        );
        frame.render_widget(Paragraph::new(" q quit"), keys);
        return;
    };
    draw_head(status, frame, head);
    let alerts = alerts.iter().map(|alert| Line::styled(alert.as_str(), Color::Red));
    frame.render_widget(Paragraph::new(alerts.collect::<Vec<_>>()), red);
    draw_sound(view, status, frame, sound);
    let [files, queue] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(lists);
    draw_files(status, frame, files);
    draw_queue(view, status, frame, queue);
    let counts = Paragraph::new(format!(" {}", show::counts(status)));
    frame.render_widget(counts.style(Style::new().add_modifier(Modifier::DIM)), done);
    draw_curves(view, status, frame, curves);
    let line = view.problem.as_ref().map_or(Line::from(KEYS), |problem| {
        Line::styled(format!(" {problem}"), Style::new().fg(Color::Red))
    });
    frame.render_widget(Paragraph::new(line), keys);
}

fn draw_head(status: &Status, frame: &mut Frame<'_>, area: Rect) {
    let daemon = &status.daemon;
    let name = format!("speakerd {}", daemon.version);
    let facts = format!(
        "  pid {}  since {}  {}",
        daemon.pid,
        daemon.started_at,
        daemon.config.as_deref().unwrap_or("the defaults")
    );
    let problem = [
        status.playback.problem.as_deref(),
        daemon.config_problem.as_deref(),
        status.text.problem.as_deref(),
        status.engine.degraded.as_deref(),
        status.watch.problem.as_deref(),
    ]
    .into_iter()
    .flatten()
    .next();
    let lines = vec![
        Line::from(vec![
            Span::styled(name, Style::new().add_modifier(Modifier::BOLD)),
            facts.into(),
        ]),
        Line::styled(problem.unwrap_or_default().to_owned(), Style::new().fg(Color::Red)),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_sound(view: &View, status: &Status, frame: &mut Frame<'_>, area: Rect) {
    let playback = &status.playback;
    let mut state = match playback.card {
        CardState::Closed => "closed",
        CardState::Open => "open",
        CardState::Lost => "lost",
    }
    .to_owned();
    for (is_so, word) in [(playback.paused, ", paused"), (playback.muted, ", muted")] {
        if is_so {
            state += word;
        }
    }
    let title = format!(" {} {state}, volume {:.2} ", playback.output, playback.volume);
    let block = Block::bordered().title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [text, level] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(inner);
    let line = match (&playback.speaking, &view.last) {
        (Some(speaking), _) => {
            format!("#{} {} in {}", speaking.id, speaking.source, speaking.voice)
        }
        (None, Some(last)) => format!("last: {} ({})", last.text, last.outcome.as_str()),
        (None, None) => "silent".to_owned(),
    };
    frame.render_widget(Paragraph::new(line), text);
    // As ears hear it: each 6 dB are as much, 48 of them are all there is to see.
    let db = 20.0 * playback.level.max(1e-6).log10();
    let ratio = f64::from(((db + 48.0) / 48.0).clamp(0.0, 1.0));
    let gauge = Gauge::default().ratio(ratio).label("").gauge_style(Style::new().fg(Color::Green));
    frame.render_widget(gauge, level);
}

fn draw_files(status: &Status, frame: &mut Frame<'_>, area: Rect) {
    let rows = status.watch.files.iter().map(|file| {
        let state = match (&file.problem, file.exists) {
            (Some(problem), _) => problem.clone(),
            (None, false) => "not there".to_owned(),
            (None, true) if file.unread_bytes > 0 => format!("{} bytes wait", file.unread_bytes),
            (None, true) => String::new(),
        };
        let name = file.path.rsplit('/').next().unwrap_or(&file.path).to_owned();
        Row::new([name, file.voice.clone(), state])
    });
    let widths = [Constraint::Fill(2), Constraint::Length(10), Constraint::Fill(2)];
    let title = format!(" files: {} ", status.watch.files.len());
    frame.render_widget(Table::new(rows, widths).block(Block::bordered().title(title)), area);
}

fn draw_queue(view: &View, status: &Status, frame: &mut Frame<'_>, area: Rect) {
    let items = view.queue.iter().map(|waiting| ListItem::new(waiting.text.clone()));
    let queue = &status.queue;
    let title = format!(
        " {} wait, {} spoken, {} not, {} failed ",
        view.queue.len(),
        queue.n_spoken,
        queue.n_not_spoken,
        queue.n_failed
    );
    frame.render_widget(List::new(items).block(Block::bordered().title(title)), area);
}

fn draw_curves(view: &View, status: &Status, frame: &mut Frame<'_>, area: Rect) {
    let halves = [Constraint::Percentage(50), Constraint::Percentage(50)];
    let rows: [Rect; 2] = Layout::vertical(halves).areas(area);
    let [[memory, open], [latency, factor]] = rows.map(|row| Layout::horizontal(halves).areas(row));
    let n_mib = view.memory.back().map_or(0, |kib| kib / 1_024);
    draw_curve(&view.memory, &format!("memory {n_mib} MiB"), Color::Cyan, frame, memory);
    let queue = &status.queue;
    let title = format!("open {}, oldest waits {:.1} s", queue.n_open, queue.oldest_age_secs);
    draw_curve(&view.open, &title, Color::Magenta, frame, open);
    let last_ms = view.latencies.back().map_or("-".to_owned(), u64::to_string);
    let title = format!("queued to first sample {last_ms} ms");
    draw_curve(&view.latencies, &title, Color::Yellow, frame, latency);
    let last = queue.real_time_factor.map_or("-".to_owned(), |factor| format!("{factor:.3}"));
    draw_curve(&view.factors, &format!("real-time factor {last}"), Color::Green, frame, factor);
}

fn draw_curve(
    points: &VecDeque<u64>,
    title: &str,
    color: Color,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let n_shown = usize::from(area.width.saturating_sub(2)).min(points.len());
    let shown: Vec<u64> = points.iter().skip(points.len() - n_shown).copied().collect();
    let curve = Sparkline::default()
        .block(Block::bordered().title(format!(" {title} ")))
        .data(shown)
        .style(Style::new().fg(color));
    frame.render_widget(curve, area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::Lane;
    use crate::status::{Speaking, WatchedFile};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn screen(view: &View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(view, frame)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let cells: Vec<_> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        cells.chunks(usize::from(width)).map(|row| row.concat() + "\n").collect()
    }

    fn known() -> View {
        let mut status = Status::default();
        "1.2.3".clone_into(&mut status.daemon.version);
        status.playback.speaking = Some(Speaking {
            id: 7,
            source: "/a/chat.log".to_owned(),
            voice: "slt".to_owned(),
            text: String::new(),
        });
        (status.playback.volume, status.playback.level) = (0.75, 0.5);
        status.playback.paused = true;
        status.watch.files = vec![WatchedFile {
            path: "/a/chat.log".to_owned(),
            voice: "slt".to_owned(),
            exists: true,
            unread_bytes: 99,
            ..WatchedFile::default()
        }];
        let waiting = Waiting {
            id: 8,
            source: "control".to_owned(),
            lane: Lane::Ordinary,
            voice: "rms".to_owned(),
            text: "the next line".to_owned(),
        };
        let mut view = View::default();
        (status.daemon.resident_bytes, status.daemon.children_bytes) = (20 << 20, 10 << 20);
        (status.queue.n_open, status.queue.oldest_age_secs) = (2, 7.25);
        (status.queue.outcomes.n_spoken, status.queue.real_time_factor) = (3, Some(0.125));
        (status.watch.n_lines_read, status.queue.outcomes.n_skipped) = (9, 4);
        status.alerts = vec!["812 MB of memory".to_owned(), "3 MB free".to_owned()];
        view.note_pace(&status);
        view.update(status, vec![waiting]);
        view
    }

    #[test]
    fn everything_that_matters_is_on_the_screen() {
        let screen = screen(&known(), 80, 24);
        for part in [
            "speakerd 1.2.3",
            "paused",
            "volume 0.75",
            "#7 /a/chat.log in slt",
            "99 bytes wait",
            "1 wait",
            "the next line",
            "memory 30 MiB",
            "open 2, oldest waits 7.2 s",
            "queued to first sample",
            "real-time factor 0.125",
            "read 9, spoken 3, failed 0, skipped 4",
            "812 MB of memory",
            "3 MB free",
            "s skip",
            "█",
        ] {
            assert!(screen.contains(part), "{part}:\n{screen}");
        }
    }

    #[test]
    fn a_small_or_strange_terminal_breaks_nothing() {
        for (width, height) in [(1, 1), (10, 3), (40, 8), (300, 100)] {
            screen(&known(), width, height);
            screen(&View::default(), width, height);
        }
    }

    #[test]
    fn a_daemon_that_is_gone_is_told_of_and_curves_stay_bounded() {
        let mut view = known();
        view.lose("no speakerd is running".to_owned());
        assert!(screen(&view, 60, 12).contains("no speakerd is running"));
        for _ in 0..10_000 {
            view.note_pace(&Status::default());
        }
        assert_eq!(view.memory.len(), MAX_POINTS);
    }

    #[test]
    fn a_factor_is_noted_once_for_each_line_and_equal_ones_as_well() {
        let mut view = View::default();
        for (n_spoken, factor) in [(1, 0.5), (1, 0.5), (2, 0.5), (3, 0.25)] {
            let mut status = Status::default();
            (status.queue.outcomes.n_spoken, status.queue.real_time_factor) =
                (n_spoken, Some(factor));
            view.update(status, Vec::new());
        }
        assert_eq!(view.factors, [500, 500, 250]);
    }
}
