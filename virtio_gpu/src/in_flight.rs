//! Which chains of a queue are with the device.

use crate::queue::MAX_QUEUE_SIZE;

const WORD_BITS: u16 = 64;

/// The chains that were popped and not completed, by their heads.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    heads: [u64; (MAX_QUEUE_SIZE / WORD_BITS) as usize],
    count: usize,
}

impl InFlight {
    /// Number of chains.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds a chain; false if it is there already, or no ring has such a head.
    pub(crate) fn insert(&mut self, head: u16) -> bool {
        let Some((word, bit)) = self.place(head).filter(|(word, bit)| **word & bit == 0) else {
            return false;
        };
        *word |= bit;
        self.count = self.count.saturating_add(1);
        true
    }

    /// Takes a chain out.
    pub(crate) fn remove(&mut self, head: u16) {
        if let Some((word, bit)) = self.place(head).filter(|(word, bit)| **word & bit != 0) {
            *word &= !bit;
            self.count = self.count.saturating_sub(1);
        }
    }

    fn place(&mut self, head: u16) -> Option<(&mut u64, u64)> {
        let bit = 1_u64.checked_shl(u32::from(head % WORD_BITS))?;
        let word = self.heads.get_mut(usize::from(head / WORD_BITS))?;
        Some((word, bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_in_flight_once_until_it_is_removed() {
        let mut chains = InFlight::default();

        assert!(chains.insert(0));
        assert!(chains.insert(63));
        assert!(chains.insert(64));
        assert!(chains.insert(1023));
        assert!(!chains.insert(64), "it is there");
        assert_eq!(chains.len(), 4);

        chains.remove(64);
        chains.remove(64);
        assert_eq!(chains.len(), 3);
        assert!(chains.insert(64));
    }

    #[test]
    fn a_head_that_no_ring_has_is_never_in_flight() {
        let mut chains = InFlight::default();

        assert!(!chains.insert(1024));
        assert!(!chains.insert(u16::MAX));
        chains.remove(1024);

        assert_eq!(chains.len(), 0);
    }
}
