//! A speech server that is asked in either of the two ways: it hums, a letter for 60 ms, and misbehaves when told to.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use serde_json::Value;
use speakerd::engine::speech_server::{Api, Key, SpeechServer};

/// What it does with one request. What it was not told anything for, it speaks.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    Speak,
    /// A status, more headers, and a body.
    Say(u16, &'static str, String),
    /// An answer of that type, in pieces with a pause between them.
    Pieces {
        content_type: &'static str,
        pieces: Vec<Vec<u8>>,
        pause: Duration,
    },
    /// The connection is reset before anything is answered.
    Reset,
    /// So many bytes of sound, and the connection ends.
    Break(usize),
    /// So many bytes of sound, and then nothing any more.
    Stall(usize),
    /// Nothing at all.
    Silent,
    /// Sound without an end.
    Endless,
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

#[derive(Debug, Default)]
struct State {
    turns: Mutex<VecDeque<Turn>>,
    asked: Mutex<Vec<Asked>>,
    n_connections: AtomicUsize,
    has_ended: AtomicBool,
    /// Bytes of endless sound that were sent.
    n_endless: AtomicUsize,
}

/// The server. It takes connections until it is dropped.
pub(crate) struct ScriptedServer {
    pub(crate) address: String,
    state: Arc<State>,
    /// When a connection was found closed that should have gone on.
    pub(crate) closed: Receiver<Instant>,
}

impl ScriptedServer {
    pub(crate) fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn listen(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::default());
        let (tell, closed) = unbounded();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.has_ended.load(Ordering::Relaxed) {
                    return;
                }
                let (state, tell) = (Arc::clone(&shared), tell.clone());
                state.n_connections.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || serve(&stream.unwrap(), &state, &tell));
            }
        });
        Self { address, state, closed }
    }

    /// Tells it what to do with the next requests.
    pub(crate) fn script(&self, turns: &[Turn]) {
        self.state.turns.lock().unwrap().extend(turns.iter().cloned());
    }

    /// What was asked since it was asked last.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.asked.lock().unwrap())
    }

    pub(crate) fn n_connections(&self) -> usize {
        self.state.n_connections.load(Ordering::Relaxed)
    }

    pub(crate) fn n_endless(&self) -> usize {
        self.state.n_endless.load(Ordering::Relaxed)
    }

    /// How it is asked.
    pub(crate) fn settings(&self) -> SpeechServer {
        settings(&format!("http://{}/v1", self.address))
    }
}

/// An address at which nobody listens yet, and that nobody else can take.
pub(crate) struct Reserved {
    pub(crate) address: String,
    socket: OwnedFd,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = rustix::net::socket_with(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        );
        let socket = socket.unwrap();
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap().to_string();
        Self { address, socket: listener.into() }
    }

    /// Starts a server there.
    pub(crate) fn start(self) -> ScriptedServer {
        rustix::net::listen(&self.socket, 16).unwrap();
        ScriptedServer::listen(TcpListener::from(self.socket))
    }
}

impl Drop for ScriptedServer {
    /// Takes no connection any more.
    fn drop(&mut self) {
        self.state.has_ended.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(&self.address)); // wakes the thread, which ends
    }
}

/// A server at that address, with nothing else special.
pub(crate) fn settings(url: &str) -> SpeechServer {
    SpeechServer {
        url: url.to_owned(),
        api: Api::OpenAi,
        key: Key::None,
        model: "tts-1".to_owned(),
        voice: "alloy".to_owned(),
        language: "en".to_owned(),
        instructions: None,
        connect: Duration::from_secs(5),
        deadline: Duration::from_secs(20),
        n_retries: 2,
    }
}

/// A hum of so many samples, as bytes.
pub(crate) fn hum(n_samples: usize) -> Vec<u8> {
    let sample = |idx: usize| (idx as f32 * std::f32::consts::TAU * 440.0 / 24_000.0).sin() * 0.3;
    let pcm = (0..n_samples).map(|idx| speakerd::pcm::to_i16(sample(idx)));
    pcm.flat_map(i16::to_le_bytes).collect()
}

fn serve(stream: &TcpStream, state: &State, closed: &Sender<Instant>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read_request(&mut reader) {
        let body = asked.body.clone();
        let path = asked.path.clone();
        state.asked.lock().unwrap().push(asked);
        let turn = state.turns.lock().unwrap().pop_front().unwrap_or(Turn::Speak);
        match answer(stream, &turn, &path, &body, state) {
            Ok(Next::Request) => {}
            Ok(Next::Nothing) => return,
            Ok(Next::Wait) => {
                let mut stream = stream;
                while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
                let _nobody = closed.send(Instant::now());
                return;
            }
            Err(_) => {
                let _nobody = closed.send(Instant::now());
                return;
            }
        }
    }
}

/// What comes after an answer on the same connection.
enum Next {
    Request,
    Nothing,
    /// The other end hangs up.
    Wait,
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: HashMap<_, _> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Asked { path, headers, body, at: Instant::now() })
}

fn answer(
    mut stream: &TcpStream,
    turn: &Turn,
    path: &str,
    body: &Value,
    state: &State,
) -> std::io::Result<Next> {
    match turn {
        Turn::Speak => {
            let Some(sound) = speech(path, body) else {
                let body = r#"{"error":{"message":"there is none of that name","param":"voice"}}"#;
                let body = body.to_owned();
                return answer(stream, &Turn::Say(400, "", body), path, &Value::Null, state);
            };
            let pieces = sound.chunks(4_801).map(<[u8]>::to_vec).collect();
            send_pieces(stream, "audio/pcm", pieces, Duration::ZERO)?;
        }
        Turn::Say(status, headers, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\n");
            let kind = if body.starts_with('<') { "text/html" } else { "application/json" };
            stream.write_all(format!("{head}Content-Type: {kind}\r\n\r\n{body}").as_bytes())?;
        }
        Turn::Pieces { content_type, pieces, pause } => {
            send_pieces(stream, content_type, pieces.clone(), *pause)?;
        }
        Turn::Reset => {
            rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
            return Ok(Next::Nothing);
        }
        Turn::Break(n_bytes) => {
            begin(stream, *n_bytes)?;
            return Ok(Next::Nothing);
        }
        Turn::Stall(n_bytes) => {
            begin(stream, *n_bytes)?;
            return Ok(Next::Wait);
        }
        Turn::Silent => return Ok(Next::Wait),
        Turn::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: audio/pcm\r\n\r\n")?;
            let sound = hum(2_400);
            loop {
                stream.write_all(&sound)?;
                state.n_endless.fetch_add(sound.len(), Ordering::Relaxed);
            }
        }
    }
    Ok(Next::Request)
}

/// The beginning of a sound that is said to be longer.
fn begin(mut stream: &TcpStream, n_bytes: usize) -> std::io::Result<()> {
    let n_said = n_bytes + 1_000;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: audio/pcm\r\nContent-Length: {n_said}");
    stream.write_all(format!("{head}\r\n\r\n").as_bytes())?;
    stream.write_all(&hum(n_bytes / 2))
}

fn send_pieces(
    mut stream: &TcpStream,
    content_type: &str,
    pieces: Vec<Vec<u8>>,
    pause: Duration,
) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}");
    stream.write_all(format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes())?;
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        std::thread::sleep(pause);
        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
        stream.write_all(&piece)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// What a request is answered with; `None` where it is for a voice that is not there.
fn speech(path: &str, body: &Value) -> Option<Vec<u8>> {
    let (text, voice, speed) = match path.strip_prefix("/v1/text-to-speech/") {
        None => (&body["input"], body["voice"].as_str()?, &body["speed"]),
        Some(rest) => (&body["text"], rest.split('/').next()?, &body["voice_settings"]["speed"]),
    };
    if !["alloy", "nova"].contains(&voice) {
        return None;
    }
    let n_letters = text.as_str()?.chars().count() as f64;
    let n_samples = n_letters * 0.06 * 24_000.0 / speed.as_f64().unwrap_or(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
    Some(hum(n_samples as usize))
}
