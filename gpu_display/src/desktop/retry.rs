//! When to try again to reach a display that is not there.

use std::time::{Duration, Instant};

/// The first wait. Each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait: a display that is back is found within a second.
const LONGEST_WAIT: Duration = Duration::from_millis(400);

/// How long a connection must have lasted to be one that works: after it, waits begin anew.
const STEADY: Duration = Duration::from_secs(2);

/// A timer for attempts, that is off while there is a connection.
#[derive(Debug)]
pub(crate) struct Retry {
    wait: Duration,
    due: Option<Instant>,
    connected: Option<Instant>,
}

impl Retry {
    /// There is a connection.
    pub(crate) fn connected(now: Instant) -> Self {
        Self {
            wait: FIRST_WAIT,
            due: None,
            connected: Some(now),
        }
    }

    /// When to try next; `None` while there is a connection.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// An attempt succeeded.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        self.connected = Some(now);
        self.due = None;
    }

    /// The connection broke, or an attempt failed.
    pub(crate) fn failed(&mut self, now: Instant) {
        let lasted = self
            .connected
            .take()
            .map(|since| now.saturating_duration_since(since));
        if lasted.is_some_and(|lasted| lasted >= STEADY) {
            self.wait = FIRST_WAIT;
        }
        self.due = Some(now.checked_add(self.wait).unwrap_or(now));
        self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;

    #[test]
    fn attempts_get_rarer_but_are_never_half_a_second_apart() {
        let start = Instant::now();
        let mut retry = Retry::connected(start);

        let waits: Vec<u128> = (0..6)
            .map(|_| {
                retry.failed(start);
                (retry.due().unwrap() - start).as_millis()
            })
            .collect();

        assert_eq!(waits, [50, 100, 200, 400, 400, 400]);
    }

    #[test]
    fn a_connection_that_breaks_at_once_does_not_make_attempts_frequent() {
        let start = Instant::now();
        let mut retry = Retry::connected(start);
        retry.failed(start);
        retry.failed(start);
        retry.succeeded(start);
        assert_eq!(retry.due(), None);

        retry.failed(start + Duration::from_millis(10));
        let hasty = retry.due();
        let later = start + Duration::from_secs(9);
        retry.succeeded(start + Duration::from_secs(5));
        retry.failed(later);

        assert_eq!(hasty, Some(start + Duration::from_millis(210)));
        assert_eq!(retry.due(), Some(later + Duration::from_millis(50)));
    }
}
