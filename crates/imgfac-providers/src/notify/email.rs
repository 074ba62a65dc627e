//! Mail.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use imgfac_model::{Email, MailAddress, MailTls};
use jiff::Timestamp;
use lettre::address::AddressError;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{Error, SmtpTransport};
use lettre::{Address, Transport};
use sha2::{Digest, Sha256};

use super::{Failure, NotifyError, NotifyOptions};
use crate::credentials::Secret;

/// Who sends mail.
pub(super) struct Mailer<'t> {
    email: &'t Email,
    password: Option<Secret>,
    /// When the run began to tell.
    now: Timestamp,
}

impl<'t> Mailer<'t> {
    /// With the password for the login of the settings, if there is one.
    pub(super) fn new(email: &'t Email, password: Option<Secret>, now: Timestamp) -> Self {
        Self {
            email,
            password,
            now,
        }
    }

    /// Sends one mail to all addresses.
    pub(super) fn send(
        &self,
        subject: &str,
        text: &str,
        options: &NotifyOptions,
    ) -> Result<(), Failure> {
        let mail = self.mail(subject, text).map_err(Failure::Final)?;
        let transport = self
            .transport(options)
            .map_err(|error| self.judge(&error))?;
        // Each read has its limit, but a server may send a byte at a time, for ever. The thread is
        // left alone then, and ends with the program; there is one at most for each target, since
        // what takes too long is not tried again.
        let (answer, answers) = mpsc::channel();
        thread::spawn(move || answer.send(transport.send(&mail).map(|_| ())));
        match answers.recv_timeout(options.timeout) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.judge(&error)),
            Err(RecvTimeoutError::Timeout) => Err(Failure::Final(self.late())),
            Err(RecvTimeoutError::Disconnected) => Err(Failure::Final(NotifyError::Broken)),
        }
    }

    fn mail(&self, subject: &str, text: &str) -> Result<Message, NotifyError> {
        let Email { from, to, .. } = self.email;
        let unusable = |_| self.unusable("an address of the mail is none");
        let mut hash = Sha256::new();
        for part in [&*self.now.to_string(), "\n", subject, "\n", text] {
            hash.update(part);
        }
        // The same when one run sends it again, so that servers can tell.
        let id: String = (hash.finalize().iter().take(16))
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let domain = from.as_str().rsplit('@').next().unwrap_or_default();
        let mut builder = Message::builder()
            .from(mailbox(from).map_err(unusable)?)
            .message_id(Some(format!("<{id}@{domain}>")))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN);
        for to in to {
            builder = builder.to(mailbox(to).map_err(unusable)?);
        }
        let mail = builder.body(text.to_owned());
        let mut mail = mail.map_err(|_| self.unusable("the mail cannot be written"))?;
        // <https://www.rfc-editor.org/rfc/rfc3834>: nobody's absence is to be told in return.
        mail.headers_mut().insert_raw(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".into(),
        ));
        Ok(mail)
    }

    fn transport(&self, options: &NotifyOptions) -> Result<SmtpTransport, Error> {
        let (host, port) = self.email.host_and_port();
        let parameters = || TlsParameters::new(host.to_owned());
        let tls = match self.email.tls {
            MailTls::Tls => Tls::Wrapper(parameters()?),
            MailTls::StartTls => Tls::Required(parameters()?),
            MailTls::None => Tls::None,
        };
        let mut builder = SmtpTransport::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(options.timeout));
        if let (Some(login), Some(password)) = (&self.email.login, &self.password) {
            let password = password.expose().to_owned();
            builder = builder.credentials(Credentials::new(login.username.clone(), password));
        }
        Ok(builder.build())
    }

    /// What an error means. What the server wrote is not repeated.
    fn judge(&self, error: &Error) -> Failure {
        if let Some(status) = error.status() {
            let host = self.email.server.to_string();
            let status = status.to_string().parse().unwrap_or_default();
            let refused = NotifyError::Refused {
                host,
                status,
                code: None,
            };
            return match error.is_transient() {
                true => Failure::Again {
                    after: None,
                    error: refused,
                },
                false => Failure::Final(refused),
            };
        }
        let reason = innermost(error);
        match () {
            () if error.is_timeout() => Failure::Final(self.late()),
            // The library's words for a connection that ends before the answer.
            () if reason == "incomplete response" => self.again("the connection broke".into()),
            () if error.is_response() => {
                Failure::Final(self.unusable("its answer is none of a mail server"))
            }
            () if error.is_client() || error.is_tls() => Failure::Final(self.unusable(&reason)),
            () if reason.contains("certificate") => Failure::Final(self.unusable(&reason)),
            () => self.again(reason),
        }
    }

    fn late(&self) -> NotifyError {
        self.unreachable("it does not answer in time".into())
    }

    fn again(&self, reason: String) -> Failure {
        Failure::Again {
            after: None,
            error: self.unreachable(reason),
        }
    }

    fn unreachable(&self, reason: String) -> NotifyError {
        NotifyError::Unreachable {
            host: self.email.server.to_string(),
            reason,
        }
    }

    fn unusable(&self, problem: &str) -> NotifyError {
        NotifyError::Unusable {
            host: self.email.server.to_string(),
            problem: problem.to_owned(),
        }
    }
}

fn mailbox(address: &MailAddress) -> Result<Mailbox, AddressError> {
    Ok(Mailbox::new(None, address.as_str().parse::<Address>()?))
}

/// The innermost words of an error say what happened.
fn innermost(error: &Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use imgfac_model::Host;

    use super::*;

    #[test]
    fn a_mail_is_ascii_and_its_lines_end_as_they_must() {
        let address = |text: &str| MailAddress::new(text).unwrap();
        let email = Email {
            server: Host::new("localhost").unwrap(),
            tls: MailTls::None,
            from: address("imgfac@example.com"),
            to: vec![address("ops@example.com")],
            login: None,
        };
        let mailer = |now: &str| Mailer::new(&email, None, now.parse().unwrap());
        let mail = |now: &str| {
            let text = format!("Run: x\n.\n{}\näö€\n", "long ".repeat(1_000));
            let mail = mailer(now).mail("web: fällt aus", &text).unwrap();
            String::from_utf8(mail.formatted()).unwrap()
        };
        let one = mail("2026-11-23T12:00:00Z");
        assert!(one.is_ascii(), "{one}");
        assert!(!one.replace("\r\n", "").contains(['\r', '\n']), "{one}");
        assert!(one.lines().all(|line| line.len() < 998), "{one}");
        assert!(!one.contains("Bcc"), "{one}");
        let id = |mail: &str| {
            let line = mail.lines().find(|line| line.starts_with("Message-ID: "));
            line.map(str::to_owned)
        };
        assert_eq!(id(&one), id(&mail("2026-11-23T12:00:00Z")));
        assert_ne!(id(&one), id(&mail("2026-11-24T12:00:00Z")));
    }
}
