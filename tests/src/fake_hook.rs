//! A server that takes webhooks: of builds that are asked for, and of notifications.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::ci_server::{CiRequest, Reply, Trouble, lock, serve, troubled};

/// The server; it ends with the process.
#[derive(Clone, Debug)]
pub struct FakeHook {
    host: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<CiRequest>,
    done: Vec<CiRequest>,
    reply: Value,
    status: Value,
    troubles: VecDeque<Trouble>,
    refusal: Option<u16>,
}

impl FakeHook {
    /// A server that takes everything, and answers requests with an empty object.
    #[must_use]
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            reply: Value::Object(serde_json::Map::new()),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let host = serve(move |request| lock(&shared).answer(request));
        Self { host, state }
    }

    /// Its host and port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it replies to a request from now on.
    pub fn set_reply(&self, reply: Value) {
        lock(&self.state).reply = reply;
    }

    /// What it says of every run from now on: the answer to `GET`.
    pub fn set_status(&self, status: Value) {
        lock(&self.state).status = status;
    }

    /// Refuses everything with a status from now on, or takes it again.
    pub fn set_refusal(&self, status: Option<u16>) {
        lock(&self.state).refusal = status;
    }

    /// Lets the next request go wrong, after those that were said before.
    pub fn trouble(&self, trouble: Trouble) {
        lock(&self.state).troubles.push_back(trouble);
    }

    /// All requests, done or not, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<CiRequest> {
        lock(&self.state).requests.clone()
    }

    /// The bodies of all requests that were done, the oldest first.
    ///
    /// # Panics
    /// When one is not JSON.
    #[must_use]
    pub fn bodies(&self) -> Vec<Value> {
        let done = &lock(&self.state).done;
        let body = |request: &CiRequest| serde_json::from_str(&request.body);
        done.iter()
            .map(|request| body(request).expect("it is JSON"))
            .collect()
    }
}

impl State {
    fn answer(&mut self, request: &CiRequest) -> Reply {
        self.requests.push(request.clone());
        if request.method == "GET" {
            return Reply::Json(200, self.status.clone());
        }
        if let Some(status) = self.refusal {
            return Reply::refusal(status, "no");
        }
        let trouble = self.troubles.pop_front();
        troubled(trouble, || {
            self.done.push(request.clone());
            Reply::Json(200, self.reply.clone())
        })
    }
}
