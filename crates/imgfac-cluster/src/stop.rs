//! Stopping early, without losing the summary.

use std::future::Future;

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
