//! `imgfac notify --test`, and with it the ways that all notifications go.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use imgfac_tests::{Encryption, Mail, Outcome, Sandbox, SmtpOptions, SmtpServer};
use insta::assert_snapshot;

const PASSWORD: &str = "hunter2";

/// A factory that tells by mail.
fn mailing(server: &SmtpServer, host: &str, more: &str) -> Sandbox {
    let sandbox = crate::sandbox();
    let port = server.port();
    sandbox.write("images.yaml", "[]\n");
    sandbox.write("authority.pem", server.authority());
    sandbox.write(
        "imgfac.yaml",
        format!(
            "notifications:\n  - {{name: mail, type: email, server: '{host}:{port}', from: imgfac@example.com, to: [ops@example.com, qa@example.com]{more}}}\n"
        ),
    );
    sandbox
}

/// Sends a test; the port of the server is not shown.
fn test(sandbox: &Sandbox, port: u16) -> Outcome {
    let mut command = sandbox.command(&["notify", "--test"]);
    command
        .env("SMTP_PASSWORD", format!("{PASSWORD}\n"))
        .env("SSL_CERT_FILE", sandbox.path().join("authority.pem"));
    let mut outcome = sandbox.run_command(&mut command);
    for text in [&mut outcome.stdout, &mut outcome.stderr] {
        assert!(!text.contains(PASSWORD), "{text}");
        *text = text.replace(&port.to_string(), "PORT");
    }
    outcome
}

/// The one mail that came, without what is new in each.
fn the_mail(server: &SmtpServer) -> (Mail, String) {
    let [mail] = server.mails().try_into().unwrap();
    let new = |line: &&str| line.starts_with("Date: ") || line.starts_with("Message-ID: ");
    let lines = mail.text.lines().filter(|line| !new(line));
    let text = lines.collect::<Vec<_>>().join("\n");
    (mail, text)
}

#[test]
fn a_mail_goes_to_all_addresses() {
    let server = SmtpServer::start(SmtpOptions::default());
    let sandbox = mailing(&server, "127.0.0.1", ", tls: none");
    assert_snapshot!(test(&sandbox, server.port()), @"
    exit 0
    --- stdout
    sent  mail  email
    --- stderr
    ");
    let (mail, text) = the_mail(&server);
    assert_eq!(mail.from, "imgfac@example.com");
    assert_eq!(mail.to, ["ops@example.com", "qa@example.com"]);
    assert_eq!((mail.login, mail.encrypted), (None, false));
    assert_snapshot!(text, @"
    From: imgfac@example.com
    Subject: Test of Image Factory
    Content-Type: text/plain; charset=utf-8
    To: ops@example.com, qa@example.com
    Content-Transfer-Encoding: 7bit
    Auto-Submitted: auto-generated

    This is what mail would be told by. Nothing happened.
    ");
}

#[test]
fn mail_is_encrypted_before_anybody_logs_in() {
    for (encryption, tls, logins) in [
        (Encryption::StartTls, "", "PLAIN LOGIN"),
        (Encryption::StartTls, ", tls: starttls", "LOGIN"),
        (Encryption::Tls, ", tls: tls", "PLAIN"),
    ] {
        let server = SmtpServer::start(SmtpOptions {
            encryption,
            logins,
            ..SmtpOptions::default()
        });
        let login = format!("{tls}, username: imgfac, secret: SMTP_PASSWORD");
        let sandbox = mailing(&server, "localhost", &login);
        let outcome = test(&sandbox, server.port());
        assert_eq!(outcome.code, 0, "{encryption:?}: {outcome}");
        let (mail, _) = the_mail(&server);
        let login = ("imgfac".to_owned(), PASSWORD.to_owned());
        assert_eq!((mail.login, mail.encrypted), (Some(login), true));
    }
}

/// What is said where a server does this.
fn refused(options: SmtpOptions, host: &str, more: &str) -> String {
    let server = SmtpServer::start(options);
    let sandbox = mailing(&server, host, more);
    let outcome = test(&sandbox, server.port());
    assert_eq!(outcome.code, 1, "{outcome}");
    assert_eq!(server.mails(), []);
    outcome.stderr
}

fn fault(word: &'static str, answer: &'static str) -> SmtpOptions {
    SmtpOptions {
        faults: vec![(word, answer, usize::MAX)],
        ..SmtpOptions::default()
    }
}

#[test]
fn nothing_is_sent_where_encryption_fails() {
    let none = SmtpOptions {
        logins: "PLAIN",
        ..SmtpOptions::default()
    };
    let login = ", username: imgfac, secret: SMTP_PASSWORD";
    assert_snapshot!(refused(none, "localhost", login), @"
    error: mail was not told: localhost:PORT cannot be spoken to: STARTTLS is not supported on this server
    hint: are server, port and tls right?
    ");
    let start = || SmtpOptions {
        encryption: Encryption::StartTls,
        ..SmtpOptions::default()
    };
    // The certificate is for another name.
    assert_snapshot!(refused(start(), "127.0.0.1", login), @r#"
    error: mail was not told: 127.0.0.1:PORT cannot be spoken to: invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("localhost")
    hint: are server, port and tls right?
    "#);
    let server = SmtpServer::start(start());
    let sandbox = mailing(&server, "localhost", login);
    // And here it is by another authority.
    sandbox.write("authority.pem", SmtpServer::start(start()).authority());
    let outcome = test(&sandbox, server.port());
    assert_snapshot!(outcome.stderr, @"
    error: mail was not told: localhost:PORT cannot be spoken to: invalid peer certificate: BadSignature
    hint: are server, port and tls right?
    ");
    assert_eq!(server.mails(), []);
}

#[test]
fn what_a_mail_server_refuses_is_told_and_its_words_are_not() {
    let refused = |word, answer| refused(fault(word, answer), "127.0.0.1", ", tls: none");
    assert_snapshot!(refused("RCPT", "550 hunter2 \u{1b}[2J unknown"), @"
    error: mail was not told: 127.0.0.1:PORT answered 550
    hint: what does its log say?
    ");
    assert_snapshot!(refused("", "554 go away"), @"
    error: mail was not told: 127.0.0.1:PORT answered 554
    hint: what does its log say?
    ");
    assert_snapshot!(refused("EHLO", "what?"), @"
    error: mail was not told: 127.0.0.1:PORT cannot be spoken to: its answer is none of a mail server
    hint: are server, port and tls right?
    ");
    let mut options = fault("AUTH", "535 hunter2 is wrong");
    options.logins = "PLAIN";
    let login = ", tls: none, username: imgfac, secret: SMTP_PASSWORD";
    assert_snapshot!(self::refused(options, "127.0.0.1", login), @"
    error: mail was not told: 127.0.0.1:PORT answered 535
    hint: are username and password right?
    ");
}

#[test]
fn a_mail_server_that_is_busy_is_asked_again() {
    asked_again("MAIL", "451 later");
}

#[test]
fn a_mail_server_that_hangs_up_is_asked_again() {
    asked_again("DATA", "");
}

fn asked_again(word: &'static str, answer: &'static str) {
    let server = SmtpServer::start(SmtpOptions {
        faults: vec![(word, answer, 1)],
        ..SmtpOptions::default()
    });
    let sandbox = mailing(&server, "127.0.0.1", ", tls: none");
    let outcome = test(&sandbox, server.port());
    assert_eq!(outcome.code, 0, "{outcome}");
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn a_mail_server_by_other_people_takes_it() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/mail_server.py");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = free.unwrap().port();
    let python = Command::new("python3")
        .arg(script)
        .arg(port.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut python) = python else {
        eprintln!("skipped: python3 is not installed");
        return;
    };
    let mut said = BufReader::new(python.stdout.take().unwrap()).lines();
    if said.next().is_none() {
        eprintln!("skipped: aiosmtpd is not installed for python3");
        assert_eq!(python.wait().unwrap().code(), Some(3));
        return;
    }
    let sandbox = crate::sandbox();
    sandbox.write("images.yaml", "[]\n");
    sandbox.write(
        "imgfac.yaml",
        format!("notifications:\n- {{name: mail, type: email, server: '127.0.0.1:{port}', tls: none, from: a@example.com, to: [b@example.com], username: imgfac, secret: SMTP_PASSWORD}}\n"),
    );
    let outcome = test(&sandbox, port);
    let mail = said.next().unwrap().unwrap();
    assert!(python.wait().unwrap().success());
    assert_eq!(outcome.code, 0, "{outcome}");
    let mail: serde_json::Value = serde_json::from_str(&mail).unwrap();
    assert_eq!(mail["from"], "a@example.com");
    assert_eq!(mail["to"][0], "b@example.com");
    assert_eq!(
        (&mail["user"], &mail["password"]),
        (&"imgfac".into(), &PASSWORD.into())
    );
    let text = mail["text"].as_str().unwrap();
    assert!(
        text.contains("Subject: Test of Image Factory\r\n"),
        "{text}"
    );
}

/// Answers one request by HTTP with an answer, and gives what came.
fn receiver(answer: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let head = String::from_utf8(request).unwrap().to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").unwrap();
        format!("{head}{}", String::from_utf8(body).unwrap())
    });
    (port, thread)
}

#[test]
fn all_targets_are_tried() {
    let (ops, heard) = receiver("204 No Content");
    let (slack, _) = receiver("404 Not Found");
    let sandbox = crate::sandbox();
    sandbox.write("images.yaml", "[]\n");
    sandbox.write(
        "imgfac.yaml",
        format!(
            "notifications:\n- {{name: unset, type: slack, secret: UNSET}}\n- {{name: platform, type: slack, secret: SLACK}}\n- {{name: ops, type: webhook, url: 'http://127.0.0.1:{ops}/hook', secret: HOOK}}\n"
        ),
    );
    let mut command = sandbox.command(&["notify", "--test"]);
    command.env("HOOK", "hunter2").env(
        "SLACK",
        format!("http://127.0.0.1:{slack}/services/hunter2"),
    );
    let mut outcome = sandbox.run_command(&mut command);
    outcome.stderr = outcome.stderr.replace(&slack.to_string(), "PORT");
    assert_snapshot!(outcome, @"
    exit 1
    --- stdout
    sent  ops  webhook
    --- stderr
    error: unset was not told: the environment variable UNSET is not set
    hint: export UNSET, or give it to the job that runs imgfac
    error: platform was not told: 127.0.0.1:PORT answered 404
    hint: was the webhook taken away, or is its secret another one?
    ");
    let heard = heard.join().unwrap();
    assert!(heard.starts_with("post /hook http/1.1\r\n"), "{heard}");
    let body = heard.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(
        body,
        r#"{"version":1,"title":"Test of Image Factory","text":"This is what ops would be told by. Nothing happened.","test":true,"events":[]}"#
    );
    let signature = "x-imgfac-signature-256: sha256=";
    assert!(heard.contains(signature), "{heard}");
}

#[test]
fn a_target_may_be_named() {
    let sandbox = crate::sandbox();
    sandbox.write("images.yaml", "[]\n");
    assert_snapshot!(sandbox.run(&["notify", "--test"]), @"
    exit 1
    --- stdout
    --- stderr
    error: imgfac.yaml names nobody to be told
    hint: notifications: of imgfac.yaml does; see docs/notifications.md
    ");
    sandbox.write(
        "imgfac.yaml",
        "notifications:\n- {name: platform, type: slack, secret: UNSET}\n- {name: ops, type: slack, secret: ALSO_UNSET}\n",
    );
    assert_snapshot!(sandbox.run(&["notify", "--test", "platfrom"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error: imgfac.yaml has no notification "platfrom"
    hint: did you mean "platform"?
    "#);
    assert_snapshot!(sandbox.run(&["notify", "--test", "ops", "--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "targets": [
        {
          "name": "ops",
          "type": "slack",
          "sent": false,
          "error": "the environment variable ALSO_UNSET is not set",
          "remedy": "export ALSO_UNSET, or give it to the job that runs imgfac"
        }
      ]
    }
    --- stderr
    "#);
    assert_eq!(sandbox.run(&["notify"]).code, 2);
}
