//! Log lines that a guest or a front end can cause: one a second of each kind.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Decides whether a line may be logged. Kinds are names from this program,
/// so there is a bounded number of them.
#[derive(Debug, Default)]
pub struct Throttle {
    last: HashMap<&'static str, Instant>,
}

impl Throttle {
    /// Whether a line of this kind may be logged now.
    pub fn allows(&mut self, kind: &'static str, now: Instant) -> bool {
        let due = self
            .last
            .get(kind)
            .is_none_or(|last| now.saturating_duration_since(*last) >= Duration::from_secs(1));
        if due {
            self.last.insert(kind, now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_logged_once_a_second_and_kinds_do_not_share() {
        let mut throttle = Throttle::default();
        let start = Instant::now();

        assert!(throttle.allows("flush", start));
        assert!(!throttle.allows("flush", start + Duration::from_millis(999)));
        assert!(throttle.allows("transfer", start));
        assert!(throttle.allows("flush", start + Duration::from_secs(1)));
    }
}
