//! A server that gives out files as the hub does, and misbehaves when told to.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What goes wrong with one answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The connection ends after so many bytes of the file.
    Break(usize),
    /// The whole file comes, whatever was asked for.
    IgnoreRange,
    /// A status, and no file.
    Status(u16),
    /// One is sent to another server, which has the file under the same path.
    Elsewhere(String),
    /// The sums are those of another file.
    WrongSums,
    /// It is said to be so long.
    Length(u64),
    /// One is sent to that address, whatever it is.
    Location(String),
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
    /// Bytes of the file that were sent.
    pub(crate) n_sent: usize,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<String, Vec<u8>>,
    faults: HashMap<String, VecDeque<Fault>>,
    asked: Vec<Asked>,
}

/// The server. Its thread ends with the test program.
pub(crate) struct Hub {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl Hub {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(serve(&stream.unwrap(), &shared)));
            }
        });
        Self { address, state }
    }

    /// Puts a file there: `/OWNER/REPO/resolve/REVISION/PATH`.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        self.state.lock().unwrap().files.insert(path.to_owned(), bytes.to_owned());
    }

    /// Lets the next answers about a file go wrong, one after the other.
    pub(crate) fn fail(&self, path: &str, faults: &[Fault]) {
        let mut state = self.state.lock().unwrap();
        state.faults.entry(path.to_owned()).or_default().extend(faults.iter().cloned());
    }

    /// What was asked since it was asked last.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: HashMap<String, String> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| Some(line.split_once(": ")?).map(|(a, b)| (a.to_lowercase(), b.into())))
        .collect();
    let (file, fault) = {
        let mut state = state.lock().unwrap();
        let fault = state.faults.get_mut(&path).and_then(VecDeque::pop_front);
        let (range, authorization) = (headers.get("range"), headers.get("authorization"));
        let asked = Asked {
            path: path.clone(),
            range: range.cloned(),
            authorization: authorization.cloned(),
            n_sent: 0,
        };
        state.asked.push(asked);
        (state.files.get(&path).cloned(), fault)
    };
    let (head, body) = answer(&path, file, fault.as_ref(), headers.get("range"));
    if let Some(asked) =
        state.lock().unwrap().asked.iter_mut().rev().find(|asked| asked.path == path)
    {
        asked.n_sent = body.len();
    }
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    stream.shutdown(std::net::Shutdown::Write)
}

fn answer(
    path: &str,
    file: Option<Vec<u8>>,
    fault: Option<&Fault>,
    range: Option<&String>,
) -> (String, Vec<u8>) {
    let nothing = |status: u16, more: &str| {
        let head = format!(
            "HTTP/1.1 {status} Said\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        (head, Vec::new())
    };
    if let Some(Fault::Status(status)) = fault {
        return nothing(*status, "");
    }
    let Some(file) = file else { return nothing(404, "") };
    let mut summed = file.clone();
    if let Some(Fault::WrongSums) = fault {
        summed.push(0);
    }
    let sha256 = hex(&Sha256::digest(&summed));
    let mut blob = format!("blob {}\0", summed.len()).into_bytes();
    blob.extend(&summed);
    // As the hub has it: large files are stored elsewhere, and known by their SHA-256.
    let sums = if path.ends_with(".safetensors") {
        let length = file.len();
        format!("X-Linked-Etag: \"{sha256}\"\r\nX-Linked-Size: {length}\r\nETag: \"elsewhere\"\r\n")
    } else {
        format!("ETag: \"{}\"\r\n", hex(&Sha1::digest(&blob)))
    };
    let sums = format!("{sums}X-Repo-Commit: {}\r\n", "0123456789".repeat(4));
    match fault {
        Some(Fault::Elsewhere(other)) => {
            return nothing(302, &format!("{sums}Location: {other}{path}\r\n"));
        }
        Some(Fault::Location(address)) => {
            return nothing(302, &format!("{sums}Location: {address}\r\n"));
        }
        _ => {}
    }
    let whole = file.len();
    let begin = range.and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let begin = begin.filter(|_| !matches!(fault, Some(Fault::IgnoreRange)));
    let (status, part, begin) = match begin {
        Some(begin) if begin >= whole => {
            return nothing(416, &format!("{sums}Content-Range: bytes */{whole}\r\n"));
        }
        Some(begin) => {
            let part = format!("Content-Range: bytes {begin}-{}/{whole}\r\n", whole - 1);
            (206, part, begin)
        }
        None => (200, String::new(), 0),
    };
    let mut body = file[begin..].to_vec();
    let mut n_said = body.len() as u64;
    match fault {
        Some(Fault::Break(n_bytes)) => body.truncate(*n_bytes),
        Some(Fault::Length(n_bytes)) => n_said = *n_bytes,
        _ => {}
    }
    let sums = match fault {
        // The sums of a file have its length with them.
        Some(Fault::Length(_)) => String::new(),
        _ => sums,
    };
    let head = format!(
        "HTTP/1.1 {status} Said\r\n{sums}{part}Content-Length: {n_said}\r\nConnection: close\r\n\r\n"
    );
    (head, body)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
