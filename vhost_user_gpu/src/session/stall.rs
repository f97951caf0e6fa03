//! A front end that stops where it must not: in the middle of a message, or with its socket full of replies.
//!
//! Between messages it may be as quiet as it likes.

use std::time::{Duration, Instant};

use super::connection::{Reader, Writer};
use crate::Error;

/// Watches one connection.
#[derive(Debug)]
pub(crate) struct Stall {
    patience: Duration,
    /// Bytes received and sent at the last look.
    seen: (u64, u64),
    /// Since when nothing has moved though something had to.
    since: Option<Instant>,
}

impl Stall {
    /// For a connection that may stand still for so long.
    pub(crate) const fn new(patience: Duration) -> Self {
        Self {
            patience,
            seen: (0, 0),
            since: None,
        }
    }

    /// Looks at the connection, after all that could be done was done.
    ///
    /// # Errors
    ///
    /// [`Error::MessageUnfinished`], [`Error::RepliesUnread`].
    pub(crate) fn check(
        &mut self,
        reader: &Reader,
        writer: &Writer,
        now: Instant,
    ) -> Result<(), Error> {
        let seen = (reader.received(), writer.sent());
        let moved = seen != self.seen;
        self.seen = seen;
        if !writer.is_pending() && !reader.is_inside_message() {
            self.since = None;
            return Ok(());
        }
        let since = self.since.filter(|_| !moved).unwrap_or(now);
        self.since = Some(since);
        let patience = self.patience;
        if now.saturating_duration_since(since) < patience {
            return Ok(());
        }
        // Nothing is read while a reply waits.
        Err(if writer.is_pending() {
            Error::RepliesUnread { patience }
        } else {
            Error::MessageUnfinished { patience }
        })
    }

    /// When to look again at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.since?.checked_add(self.patience)
    }
}
