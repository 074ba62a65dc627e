//! A mail server that keeps what it gets, and misbehaves where a test wants it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    None,
    /// When the client asks for it.
    StartTls,
    /// At once.
    Tls,
}

/// Commands that begin with a word, what is answered to them, and how often. `""` as the word is the
/// greeting, and as the answer the end of the connection.
pub type Fault = (&'static str, &'static str, usize);

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// When TLS begins.
    pub encryption: Encryption,
    /// The ways to log in that it offers, such as `PLAIN`; none takes mail from anybody.
    pub logins: &'static str,
    /// What it answers instead.
    pub faults: Vec<Fault>,
}

impl Default for SmtpOptions {
    /// Neither encryption nor logins nor faults.
    fn default() -> Self {
        Self {
            encryption: Encryption::None,
            logins: "",
            faults: Vec::new(),
        }
    }
}

/// A mail that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Who sends, by the envelope.
    pub from: String,
    /// Who gets it, by the envelope.
    pub to: Vec<String>,
    /// Who logged in, and with which password.
    pub login: Option<(String, String)>,
    /// Whether all of that was encrypted.
    pub encrypted: bool,
    /// Headers and body, as they were sent.
    pub text: String,
}

/// The server; it ends with the process.
#[derive(Debug)]
pub struct SmtpServer {
    port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
    authority: String,
}

impl SmtpServer {
    /// Serves a port of this machine.
    ///
    /// # Panics
    /// When no port is free, or no certificate can be made.
    #[must_use]
    pub fn start(options: SmtpOptions) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (tls, authority) = certificate();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&mails);
        let faults = Arc::new(Mutex::new(options.faults.clone()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = Session {
                    options: options.clone(),
                    tls: Arc::clone(&tls),
                    mails: Arc::clone(&kept),
                    faults: Arc::clone(&faults),
                };
                // Whoever hangs up early is part of some tests.
                thread::spawn(move || session.serve(stream).ok());
            }
        });
        Self {
            port,
            mails,
            authority,
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that it is trusted by, as PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The mails that came.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.mails).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn certificate() -> (Arc<ServerConfig>, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no name is wrong");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key can be made");
    let pem = authority.self_signed(&key).expect("it can be signed").pem();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().expect("a key can be made");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .expect("it is a name")
        .signed_by(&own, &issuer)
        .expect("it can be signed");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(own.serialize_der().into()),
        )
        .expect("the certificate fits its key");
    (Arc::new(config), pem)
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// What is known of a client.
struct Session {
    options: SmtpOptions,
    tls: Arc<ServerConfig>,
    mails: Arc<Mutex<Vec<Mail>>>,
    faults: Arc<Mutex<Vec<Fault>>>,
}

impl Session {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let encrypted = |stream| -> io::Result<_> {
            let connection = ServerConnection::new(Arc::clone(&self.tls));
            Ok(StreamOwned::new(
                connection.map_err(io::Error::other)?,
                stream,
            ))
        };
        if self.options.encryption == Encryption::Tls {
            return self.talk(&mut encrypted(stream)?, true, true).map(|_| ());
        }
        let mut clear = stream.try_clone()?;
        if self.talk(&mut clear, false, true)? {
            self.talk(&mut encrypted(stream)?, true, false)?;
        }
        Ok(())
    }

    /// Talks until the client leaves, or wants TLS.
    fn talk(&self, stream: &mut dyn Stream, encrypted: bool, greet: bool) -> io::Result<bool> {
        let mut mail = Mail {
            from: String::new(),
            to: Vec::new(),
            login: None,
            encrypted,
            text: String::new(),
        };
        if greet && !self.faulty(stream, "")? {
            say(stream, "220 mail.test")?;
        }
        loop {
            let line = read_line(stream)?;
            let command = line.to_ascii_uppercase();
            if self.faulty(stream, &command)? {
                continue;
            }
            match command.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => self.hello(stream, encrypted)?,
                "STARTTLS" => {
                    say(stream, "220 go on")?;
                    return Ok(true);
                }
                "AUTH" => {
                    mail.login = Some(login(stream, &line)?);
                    say(stream, "235 welcome")?;
                }
                "MAIL" | "RCPT" if mail.login.is_none() && !self.options.logins.is_empty() => {
                    say(stream, "530 log in")?;
                }
                "MAIL" => {
                    mail.from = address(&line);
                    say(stream, "250 ok")?;
                }
                "RCPT" => {
                    mail.to.push(address(&line));
                    say(stream, "250 ok")?;
                }
                "DATA" => {
                    say(stream, "354 send it")?;
                    mail.text = data(stream)?;
                    lock(&self.mails).push(mail.clone());
                    mail.to.clear();
                    say(stream, "250 kept")?;
                }
                "QUIT" => {
                    say(stream, "221 bye")?;
                    return Ok(false);
                }
                _ => say(stream, "502 what?")?,
            }
        }
    }

    fn hello(&self, stream: &mut dyn Stream, encrypted: bool) -> io::Result<()> {
        let mut extensions = vec!["mail.test".to_owned(), "8BITMIME".to_owned()];
        if self.options.encryption == Encryption::StartTls && !encrypted {
            extensions.push("STARTTLS".into());
        }
        if !self.options.logins.is_empty() {
            extensions.push(format!("AUTH {}", self.options.logins));
        }
        let last = extensions.len() - 1;
        for (n, extension) in extensions.iter().enumerate() {
            let sign = if n == last { ' ' } else { '-' };
            say(stream, &format!("250{sign}{extension}"))?;
        }
        Ok(())
    }

    /// Whether the command got an answer that a test wants.
    fn faulty(&self, stream: &mut dyn Stream, command: &str) -> io::Result<bool> {
        let answer = {
            let mut faults = lock(&self.faults);
            let is_it = |word: &str| match word {
                "" => command.is_empty(),
                word => command.starts_with(word),
            };
            let fault = faults
                .iter_mut()
                .find(|(word, _, left)| *left > 0 && is_it(word));
            fault.map(|(_, answer, left)| {
                *left -= 1;
                *answer
            })
        };
        match answer {
            Some("") => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(answer) => say(stream, answer).map(|()| true),
            None => Ok(false),
        }
    }
}

fn say(stream: &mut dyn Stream, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.flush()
}

fn read_line(stream: &mut dyn Stream) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(io::Error::other)
}

/// What stands between `<` and `>`.
fn address(line: &str) -> String {
    let inner = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(String::new(), |(address, _)| address.to_owned())
}

fn login(stream: &mut dyn Stream, line: &str) -> io::Result<(String, String)> {
    let decode = |text: &str| -> io::Result<String> {
        let bytes = STANDARD.decode(text).map_err(io::Error::other)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    };
    let mut words = line.split(' ').skip(1);
    match (words.next(), words.next()) {
        (Some("PLAIN"), Some(text)) => {
            let text = decode(text)?;
            let mut parts = text.split('\0').skip(1).map(str::to_owned);
            Ok((
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            ))
        }
        (Some("LOGIN"), None) => {
            say(stream, &format!("334 {}", STANDARD.encode("Username:")))?;
            let user = decode(&read_line(stream)?)?;
            say(stream, &format!("334 {}", STANDARD.encode("Password:")))?;
            Ok((user, decode(&read_line(stream)?)?))
        }
        _ => Err(io::Error::other("it is no login")),
    }
}

fn data(stream: &mut dyn Stream) -> io::Result<String> {
    let mut text = String::new();
    loop {
        match read_line(stream)?.as_str() {
            "." => return Ok(text),
            line => {
                text.push_str(line.strip_prefix('.').unwrap_or(line));
                text.push('\n');
            }
        }
    }
}
