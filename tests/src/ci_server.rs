//! The HTTP of the servers that stand in for GitHub and GitLab, and what can go wrong with them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};

/// A request that came.
#[derive(Clone, Debug)]
pub struct CiRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The content.
    pub body: String,
}

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is done, and answered as by servers that name no run (204). Of GitHub's dispatch only.
    NoDetails,
    /// The connection ends without an answer, before or after it was done.
    Lost {
        /// Whether it was done.
        done: bool,
    },
    /// There is no answer until the client gives up.
    Silent {
        /// Whether it was done.
        done: bool,
    },
    /// A status of 500 or more.
    Fails {
        /// The status.
        status: u16,
        /// Whether it was done.
        done: bool,
    },
    /// The secondary limit of GitHub, or the limit of GitLab: nothing is done.
    Limited {
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// The primary limit of GitHub: nothing is done until then, in seconds since 1970.
    Exhausted {
        /// `X-RateLimit-Reset`.
        reset: i64,
    },
    /// 401, as for a token that was revoked.
    Denied,
}

/// What is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    Json(u16, Value),
    Empty(u16),
    /// A refusal with headers.
    Headers(u16, Vec<(&'static str, String)>, Value),
    /// Any content, with headers.
    Text(u16, Vec<(&'static str, String)>, String),
    HangUp,
    Silence,
}

impl Reply {
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Json(status, _)
            | Self::Empty(status)
            | Self::Headers(status, ..)
            | Self::Text(status, ..) => Some(*status),
            Self::HangUp | Self::Silence => None,
        }
    }

    pub(crate) fn refusal(status: u16, message: &str) -> Self {
        Self::Json(
            status,
            json!({"message": message, "status": status.to_string()}),
        )
    }
}

/// Does a request with its trouble; `work` does what it asks for.
pub(crate) fn troubled(trouble: Option<Trouble>, work: impl FnOnce() -> Reply) -> Reply {
    let (done, reply) = match trouble {
        None | Some(Trouble::NoDetails) => return work(),
        Some(Trouble::Lost { done }) => (done, Reply::HangUp),
        Some(Trouble::Silent { done }) => (done, Reply::Silence),
        Some(Trouble::Fails { status, done }) => (done, Reply::refusal(status, "Server Error")),
        Some(Trouble::Denied) => (false, Reply::refusal(401, "Bad credentials")),
        Some(Trouble::Limited { retry_after }) => {
            let after = retry_after.map(|seconds| ("Retry-After", seconds.to_string()));
            let said = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            (false, limit(after.into_iter().collect(), said))
        }
        Some(Trouble::Exhausted { reset }) => {
            let headers = vec![
                ("X-RateLimit-Remaining", "0".into()),
                ("X-RateLimit-Reset", reset.to_string()),
            ];
            (false, limit(headers, "API rate limit exceeded"))
        }
    };
    if done {
        work();
    }
    reply
}

fn limit(headers: Vec<(&'static str, String)>, message: &str) -> Reply {
    Reply::Headers(403, headers, json!({"message": message}))
}

/// Listens on a port of this machine, and answers each request by `answer`, until the process ends.
pub(crate) fn serve(answer: impl Fn(&CiRequest) -> Reply + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // Whoever hangs up early is part of some tests.
            thread::spawn(move || exchange(&stream, &*answer).ok());
        }
    });
    address.to_string()
}

fn exchange(mut stream: &TcpStream, answer: &dyn Fn(&CiRequest) -> Reply) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let Some(request) = request(&mut reader)? else {
        return Ok(());
    };
    let reply = answer(&request);
    let (status, headers, body) = match reply {
        Reply::HangUp => return Ok(()),
        Reply::Silence => {
            // It ends when the client hangs up.
            return reader.read_to_end(&mut Vec::new()).map(|_| ());
        }
        Reply::Json(status, body) => (status, Vec::new(), body.to_string()),
        Reply::Empty(status) => (status, Vec::new(), String::new()),
        Reply::Headers(status, headers, body) => (status, headers, body.to_string()),
        Reply::Text(status, headers, body) => (status, headers, body),
    };
    let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    let typed = headers.iter().any(|(name, _)| *name == "Content-Type");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if status != 204 {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    if status != 204 && !typed {
        text += "Content-Type: application/json\r\n";
    }
    let body = match request.method.as_str() {
        "HEAD" => "",
        _ => &body,
    };
    stream.write_all(format!("{text}\r\n{body}").as_bytes())
}

fn request(reader: &mut impl BufRead) -> std::io::Result<Option<CiRequest>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|it| it.parse().ok());
    let mut body = String::new();
    reader.take(length.unwrap_or(0)).read_to_string(&mut body)?;
    Ok(Some(CiRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect(),
        headers,
        body,
    }))
}

/// Text without the escapes of addresses.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digits = others
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok());
        match (first, digits.map(|two| u8::from_str_radix(two, 16))) {
            (b'%', Some(Ok(byte))) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = others;
            }
            _ => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
