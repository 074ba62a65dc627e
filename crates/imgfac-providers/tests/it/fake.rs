//! A server of HTTP that answers as a test wants, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use imgfac_model::{Digest, Tag};
use imgfac_providers::{Clock, Credentials, Options, Registry, Secret};
use jiff::Timestamp;

/// What came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What goes out: a status, headers, a body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub(crate) fn answer(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

impl Answer {
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

type Script = dyn Fn(&Asked, usize) -> Answer + Send + Sync;

/// The server; its thread ends with the tests.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Answers every request by a script, which gets the request and how many came before it.
    pub(crate) fn start(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let fake = Self {
            host,
            asked: Arc::clone(&asked),
        };
        let script: Arc<Script> = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, script) = (Arc::clone(&asked), Arc::clone(&script));
                // Whoever hangs up early is part of some tests.
                thread::spawn(move || serve(stream, &asked, &*script).ok());
            }
        });
        fake
    }

    /// The requests that came, `METHOD /path`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|one| one.line).collect()
    }

    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<Asked>>, script: &Script) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    let mut request = Asked {
        line: line
            .rsplit_once(' ')
            .map_or(String::new(), |(line, _)| line.to_owned()),
        headers,
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|length| length.parse().ok());
    reader
        .take(length.unwrap_or(0))
        .read_to_string(&mut request.body)?;
    let before = {
        let mut asked = asked.lock().unwrap();
        asked.push(request.clone());
        asked.len() - 1
    };
    let answer = script(&request, before);
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {} X\r\nconnection: close\r\n",
        answer.status
    )?;
    let named = |name: &str| {
        answer
            .headers
            .iter()
            .any(|(key, _)| key.eq_ignore_ascii_case(name))
    };
    if !named("content-length") && !named("transfer-encoding") {
        write!(stream, "content-length: {}\r\n", answer.body.len())?;
    }
    for (name, value) in &answer.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "\r\n")?;
    if !request.line.starts_with("HEAD ") {
        stream.write_all(&answer.body)?;
    }
    Ok(())
}

/// A clock that stands still, and notes how long was waited.
#[derive(Debug, Default)]
pub(crate) struct Standing(Mutex<Vec<u64>>);

impl Standing {
    /// The waits, in whole seconds.
    pub(crate) fn waits(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn sleep(&self, wait: Duration) {
        self.0.lock().unwrap().push(wait.as_secs());
    }
}

/// Options for these hosts, with a clock that stands still.
pub(crate) fn options(hosts: &[&Fake], clock: &Arc<Standing>) -> Options {
    Options {
        insecure: hosts.iter().map(|fake| fake.host.clone()).collect(),
        credentials: Arc::new(|_| Ok(Credentials::Anonymous)),
        authorities: Vec::new(),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        ..Options::default()
    }
}

pub(crate) fn registry(fake: &Fake) -> (Registry, Arc<Standing>) {
    let clock = Arc::new(Standing::default());
    let registry = Registry::new(&fake.host, options(&[fake], &clock)).unwrap();
    (registry, clock)
}

pub(crate) fn password() -> Credentials {
    Credentials::Password {
        user: "ada".into(),
        password: Secret::new("hunter2"),
    }
}

pub(crate) fn tag() -> Tag {
    Tag::parse("1").unwrap()
}

pub(crate) fn digest(letter: &str) -> Digest {
    Digest::parse(&format!("sha256:{}", letter.repeat(64))).unwrap()
}

pub(crate) const MANIFEST: &str = r#"{"schemaVersion": 2, "layers": []}"#;

/// The digest of some text.
pub(crate) fn digest_of(text: &str) -> Digest {
    use sha2::{Digest as _, Sha256};
    let hash: String = Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Digest::parse(&format!("sha256:{hash}")).unwrap()
}
