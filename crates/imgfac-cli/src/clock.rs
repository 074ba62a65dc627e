//! Waits, and the time that they are measured by.

use std::time::Duration;

use imgfac_providers::{Clock, SystemClock};
use jiff::Timestamp;

use crate::context::Context;

/// The clock of the program. While `IMGFAC_NOW` holds the time still, no wait takes any: a test that
/// moves the time by itself does not wait for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgramClock;

impl Clock for ProgramClock {
    fn now(&self) -> Timestamp {
        let now = Context::fixed_now().ok().flatten();
        now.unwrap_or_else(Timestamp::now)
    }

    fn sleep(&self, wait: Duration) {
        if matches!(Context::fixed_now(), Ok(None)) {
            SystemClock.sleep(wait);
        }
    }
}
