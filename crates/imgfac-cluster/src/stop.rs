//! Stopping early, without losing the summary.

use std::future::Future;
use std::pin::pin;

use futures_util::future::select;
use tokio::sync::watch;

/// Whether the work should end soon: no new request begins, waits end, and what is under way may
/// finish.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Never.
    #[must_use]
    pub fn never() -> Self {
        // Without a sender the value stays as it is.
        Self(watch::channel(false).1)
    }

    /// When a future ends, such as one that waits for a signal.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn when(signal: impl Future<Output = ()> + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            signal.await;
            // Nobody listens any more when the work is done.
            let _ = sender.send(true);
        });
        Self(receiver)
    }

    /// When the process is interrupted (Ctrl-C) or asked to end, as CI and Kubernetes do.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn on_signal() -> Self {
        Self::when(async {
            select(pin!(interrupted()), pin!(terminated())).await;
            tracing::warn!("stopping: what is under way is finished, nothing new begins");
        })
    }

    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when stopping is requested; else never.
    pub(crate) async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
