//! A way to a server on which connections break.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The direction in which bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// What the client says.
    Server,
    /// What it is answered.
    Client,
}

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// As if the other one had nothing more to say.
    Close,
    /// By a reset.
    Reset,
}

/// Passes connections on to a port of this machine, until they have to break. It ends with the
/// process.
#[derive(Debug)]
pub struct BrokenNetwork {
    port: u16,
    traffic: Arc<Mutex<Traffic>>,
}

#[derive(Debug, Default)]
struct Traffic {
    to_server: usize,
    to_client: usize,
    breaks: usize,
    plan: Option<Plan>,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    towards: Towards,
    after: usize,
    how: Break,
    times: usize,
}

impl BrokenNetwork {
    /// A way to a port, on which nothing breaks yet.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let shared = Arc::clone(&traffic);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) {
                    pass_on(&client, &server, &shared);
                }
            }
        });
        Self { port, traffic }
    }

    /// The port of this end.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Breaks the connection on which so many bytes have passed in one direction, all connections
    /// from now on together, and does so as often as said.
    pub fn break_after(&self, towards: Towards, after: usize, how: Break, times: usize) {
        *lock(&self.traffic) = Traffic {
            plan: Some(Plan {
                towards,
                after,
                how,
                times,
            }),
            ..Traffic::default()
        };
    }

    /// Breaks nothing from now on, and counts anew.
    pub fn heal(&self) {
        *lock(&self.traffic) = Traffic::default();
    }

    /// How many bytes passed in a direction.
    #[must_use]
    pub fn passed(&self, towards: Towards) -> usize {
        let traffic = lock(&self.traffic);
        match towards {
            Towards::Server => traffic.to_server,
            Towards::Client => traffic.to_client,
        }
    }

    /// How many connections broke.
    #[must_use]
    pub fn breaks(&self) -> usize {
        lock(&self.traffic).breaks
    }
}

fn lock(traffic: &Mutex<Traffic>) -> MutexGuard<'_, Traffic> {
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass_on(client: &TcpStream, server: &TcpStream, traffic: &Arc<Mutex<Traffic>>) {
    for (towards, from, to) in [
        (Towards::Server, client, server),
        (Towards::Client, server, client),
    ] {
        let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        let Ok(client) = client.try_clone() else {
            return;
        };
        let traffic = Arc::clone(traffic);
        thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                let (passes, ending) = lock(&traffic).pass(towards, read);
                if to.write_all(&bytes[..passes]).is_err() {
                    break;
                }
                match ending {
                    None => {}
                    Some(Break::Close) => {
                        let _ = client.shutdown(Shutdown::Both);
                        break;
                    }
                    Some(Break::Reset) => {
                        // Lets go of the connection, by a reset.
                        let _ = rustix::net::connect_unspec(&client);
                        break;
                    }
                }
            }
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

impl Traffic {
    /// How many of the bytes that were read pass, and how the connection ends after them.
    fn pass(&mut self, towards: Towards, read: usize) -> (usize, Option<Break>) {
        let passed = match towards {
            Towards::Server => &mut self.to_server,
            Towards::Client => &mut self.to_client,
        };
        let before = *passed;
        *passed += read;
        match &mut self.plan {
            Some(plan)
                if plan.towards == towards && plan.times > 0 && before + read > plan.after =>
            {
                let passes = plan.after.saturating_sub(before);
                let how = plan.how;
                plan.times -= 1;
                *passed = 0;
                self.breaks += 1;
                (passes, Some(how))
            }
            _ => (read, None),
        }
    }
}
