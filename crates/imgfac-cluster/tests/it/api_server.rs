//! The API server in memory, on a port of this machine.

#![allow(
    dead_code,
    reason = "two test programs share this file, and each uses a part of it"
)]

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use super::fake::{Answer, Call, FakeApi};

/// The only token that it accepts.
pub(crate) const TOKEN: &str = "s3cr3t-t0ken";

/// A server that answers until the tests end.
pub(crate) struct ApiServer {
    api: Arc<Mutex<FakeApi>>,
    address: String,
}

impl ApiServer {
    pub(crate) fn start(api: FakeApi) -> Self {
        Self::start_with(api, Ok)
    }

    /// A server that wraps each connection, such as in TLS.
    pub(crate) fn start_with<S: Read + Write>(
        api: FakeApi,
        wrap: impl Fn(TcpStream) -> io::Result<S> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let api = Arc::new(Mutex::new(api));
        let shared = Arc::clone(&api);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (api, wrap) = (Arc::clone(&shared), wrap.clone());
                // A client that goes away is its own affair.
                std::thread::spawn(move || serve(wrap(stream)?, &api));
            }
        });
        Self { api, address }
    }

    pub(crate) fn api(&self) -> MutexGuard<'_, FakeApi> {
        self.api.lock().unwrap()
    }

    /// A kubeconfig whose current context leads here.
    pub(crate) fn kubeconfig(&self) -> String {
        self.kubeconfig_with("http", "")
    }

    /// The same with another scheme and further keys of the cluster, each after a comma.
    pub(crate) fn kubeconfig_with(&self, scheme: &str, keys: &str) -> String {
        format!(
            "apiVersion: v1
kind: Config
current-context: here
clusters:
- {{name: fake, cluster: {{server: '{scheme}://{}'{keys}}}}}
users:
- {{name: ci, user: {{token: {TOKEN}}}}}
- {{name: stranger, user: {{token: wrong-{TOKEN}}}}}
contexts:
- {{name: here, context: {{cluster: fake, user: ci}}}}
- {{name: stranger, context: {{cluster: fake, user: stranger}}}}
",
            self.address
        )
    }
}

/// Answers the requests of one connection.
fn serve(stream: impl Read + Write, api: &Mutex<FakeApi>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (mut length, mut content_type, mut known) = (0, String::new(), false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "content-type" => value.clone_into(&mut content_type),
                "authorization" => known = value == format!("Bearer {TOKEN}"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let call = Call::new(method, target, &content_type, body);
        let answer = if known {
            api.lock().unwrap().answer(&call)?
        } else {
            Answer::status(401, "Unauthorized", "Unauthorized")
        };
        let body = answer.body.to_string();
        // In one piece: a second small packet would wait for the first to be acknowledged.
        let answer = format!(
            "HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            answer.code,
            body.len()
        );
        let stream = reader.get_mut();
        stream.write_all(answer.as_bytes())?;
        stream.flush()?;
    }
}
