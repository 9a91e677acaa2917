//! `speakerd status --watch`: the daemon as it is now, in a terminal, with keys.
//!
//! Asks ten times a second over one connection; another thread follows the history, for the latencies. Ends with `q`.

mod view;

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use crossbeam_channel::{Receiver, Sender, bounded};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::clock;
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{HistoryRequest, Replay, Request, Response};
use crate::history::Entry;
use crate::status::Status;
use crate::threads::spawn_named;
use view::View;

/// How often the daemon is asked: as often as an eye follows a level.
const PACE: Duration = Duration::from_millis(100);

/// A daemon that does not answer for so long is shown as such.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a point is added to the curves of memory and of what is open.
const MEMORY_PACE: Duration = Duration::from_secs(1);

/// Entries of the history that wait to be drawn.
const ENTRIES: usize = 64;

/// One step of the volume keys.
const VOLUME_STEP: f32 = 0.05;

/// Runs until `q` is pressed.
///
/// # Errors
/// Where this is no terminal.
pub(super) fn run(socket: &Path) -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() {
        bail!("`status --watch` needs a terminal; `subscribe` prints the status after each change");
    }
    let (to_view, entries) = bounded(ENTRIES);
    let path = socket.to_path_buf();
    // It ends with the program: it waits for a line of the socket.
    let _follower = spawn_named("history", move || follow(&path, &to_view))?;
    let mut terminal = ratatui::init();
    let shown = show(&mut terminal, socket, &entries);
    ratatui::restore();
    shown
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    socket: &Path,
    entries: &Receiver<Entry>,
) -> anyhow::Result<()> {
    let mut view = View::default();
    let mut client = None;
    let mut memory_at: Option<Instant> = None;
    loop {
        match ask(&mut client, socket) {
            Ok((status, queue)) => {
                let now = clock::now();
                if memory_at.is_none_or(|at| now.duration_since(at) >= MEMORY_PACE) {
                    memory_at = Some(now);
                    view.note_pace(&status);
                }
                view.update(status, queue);
            }
            Err(error) => {
                client = None;
                view.lose(error.to_string());
            }
        }
        view.note_entries(entries.try_iter());
        terminal.draw(|frame| view::draw(&view, frame))?;
        // A key is heeded at once; without one, the pace is kept.
        if event::poll(PACE)? {
            let Event::Key(key) = event::read()? else { continue };
            if key.kind != KeyEventKind::Press {
                continue;
            }
            match request(key, &view) {
                Pressed::Quit => return Ok(()),
                Pressed::Ask(request) => {
                    let answer = Client::connect(socket)
                        .and_then(|it| it.with_patience(PATIENCE))
                        .and_then(|mut it| it.ask(&request));
                    view.note_answer(answer.err().map(|error| error.to_string()));
                }
                Pressed::Nothing => {}
            }
        }
    }
}

/// What a key asks for.
enum Pressed {
    Quit,
    Ask(Request),
    Nothing,
}

fn request(key: KeyEvent, view: &View) -> Pressed {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return if key.code == KeyCode::Char('c') { Pressed::Quit } else { Pressed::Nothing };
    }
    let volume = view.status().map_or(1.0, |status| status.playback.volume);
    let is_paused = view.status().is_some_and(|status| status.playback.paused);
    let is_muted = view.status().is_some_and(|status| status.playback.muted);
    let stepped =
        |step: f32| Request::Volume(((volume + step).clamp(0.0, 2.0) * 100.0).round() / 100.0);
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Pressed::Quit,
        KeyCode::Char('s') => Pressed::Ask(Request::Skip),
        KeyCode::Char(' ' | 'p') if is_paused => Pressed::Ask(Request::Resume),
        KeyCode::Char(' ' | 'p') => Pressed::Ask(Request::Pause),
        KeyCode::Char('m') if is_muted => Pressed::Ask(Request::Unmute),
        KeyCode::Char('m') => Pressed::Ask(Request::Mute),
        KeyCode::Char('r') => Pressed::Ask(Request::Replay(Replay { n: 1 })),
        KeyCode::Char('+' | '=') | KeyCode::Up => Pressed::Ask(stepped(VOLUME_STEP)),
        KeyCode::Char('-') | KeyCode::Down => Pressed::Ask(stepped(-VOLUME_STEP)),
        _ => Pressed::Nothing,
    }
}

/// The status and the queue, over a connection that is kept.
fn ask(
    client: &mut Option<Client>,
    socket: &Path,
) -> Result<(Status, Vec<crate::queue::Waiting>), ClientError> {
    let mut asked = match client.take() {
        Some(client) => client,
        None => Client::connect(socket)?.with_patience(PATIENCE)?,
    };
    let status = asked.ask(&Request::Status)?;
    let queue = asked.ask(&Request::Queue)?;
    *client = Some(asked);
    match (status, queue) {
        (Response::Status(status), Response::Queue(queue)) => Ok((*status, queue)),
        _ => Err(ClientError::Broken(std::io::ErrorKind::InvalidData.into())),
    }
}

/// Sends on what the daemon says of each line that is over, and looks for a new daemon when it ends.
fn follow(socket: &Path, to_view: &Sender<Entry>) {
    loop {
        if let Ok(mut client) = Client::connect(socket)
            && client.send(&Request::History(HistoryRequest { follow: true })).is_ok()
        {
            while let Ok(Some(Response::Entry(entry))) = client.next_reply() {
                if to_view.send(*entry).is_err() {
                    return;
                }
            }
        }
        let _waited = crossbeam_channel::after(MEMORY_PACE).recv();
    }
}
