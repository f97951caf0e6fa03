//! Which of our fences the library's numbers stand for.
//!
//! The library keeps all fences in one line, whatever their context: they
//! pass in the order in which they were made. So every timeline uses its
//! context-0 fences. Those have 32-bit numbers, only the newest that has
//! passed is reported, and they are not lost when a context is destroyed.

use std::collections::VecDeque;

use crate::{ContextId, FenceId, PassedFence, Timeline};

/// The first number. Each run crosses the wrap soon, so that no guest is the
/// first to do it.
const FIRST: u32 = u32::MAX - 63;

/// Fences on their way.
#[derive(Debug)]
pub(super) struct Fences {
    next: u32,
    pending: VecDeque<Pending>,
    /// Passed, but not told yet.
    passed: Vec<PassedFence>,
}

#[derive(Debug)]
struct Pending {
    number: u32,
    /// `None` once its context is gone: nobody waits for it any more, but the
    /// library keeps it until it is polled.
    fence: Option<PassedFence>,
}

impl Fences {
    pub(super) fn new() -> Self {
        Self {
            next: FIRST,
            pending: VecDeque::new(),
            passed: Vec::new(),
        }
    }

    /// The number that the library is to know the next fence by.
    pub(super) fn next_number(&self) -> u32 {
        self.next
    }

    /// Adds the fence that was made with [`Fences::next_number`].
    pub(super) fn push(&mut self, timeline: Timeline, fence: FenceId) {
        self.pending.push_back(Pending {
            number: self.next,
            fence: Some(PassedFence { timeline, fence }),
        });
        self.next = self.next.wrapping_add(1);
    }

    /// The number that the library knows a fence by, if it has not passed.
    pub(super) fn number_of(&self, fence: FenceId) -> Option<u32> {
        let is_it = |each: &&Pending| each.fence.is_some_and(|known| known.fence == fence);
        Some(self.pending.iter().find(is_it)?.number)
    }

    /// Whether the library has fences that have not passed.
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the library has fences that nobody asks it for.
    pub(super) fn has_orphans(&self) -> bool {
        self.pending.iter().any(|each| each.fence.is_none())
    }

    /// The library says that a fence has passed, and so all before it. A
    /// number that is not on its way means nothing.
    pub(super) fn retire(&mut self, number: u32) {
        let Some(last) = self.pending.iter().position(|each| each.number == number) else {
            return;
        };
        let count = last.saturating_add(1);
        self.passed
            .extend(self.pending.drain(..count).filter_map(|each| each.fence));
    }

    /// A context is gone: what its own timelines wait for has ended with it.
    pub(super) fn end_context(&mut self, gone: ContextId) {
        for each in &mut self.pending {
            let ended = each.fence.take_if(|fence| {
                matches!(
                    fence.timeline,
                    Timeline::Context { context, .. } if context == gone
                )
            });
            self.passed.extend(ended);
        }
    }

    /// Forgets all fences.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
        self.passed.clear();
    }

    /// Moves what has passed to `to`.
    pub(super) fn take_passed(&mut self, to: &mut Vec<PassedFence>) {
        to.append(&mut self.passed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;

    const RING: Timeline = Timeline::Context {
        context: ContextId(7),
        ring: 0,
    };

    fn add(fences: &mut Fences, timeline: Timeline, id: u64) -> u32 {
        let number = fences.next_number();
        fences.push(timeline, FenceId(id));
        number
    }

    fn passed(fences: &mut Fences) -> Vec<u64> {
        let mut passed = Vec::new();
        fences.take_passed(&mut passed);
        passed.iter().map(|each| each.fence.0).collect()
    }

    #[test]
    fn the_newest_reported_fence_passes_all_before_it() {
        let mut fences = Fences::new();
        add(&mut fences, Timeline::Global, 1);
        add(&mut fences, RING, 2);
        let third = add(&mut fences, Timeline::Global, 3);
        add(&mut fences, Timeline::Global, 4);

        fences.retire(third);

        assert_eq!(passed(&mut fences), [1, 2, 3]);
        assert!(fences.is_waiting());
    }

    #[test]
    fn numbers_wrap_around_and_stay_in_order() {
        let mut fences = Fences::new();
        let mut wraps = 0;
        let mut last = fences.next_number();

        for id in 0..1000 {
            let number = add(&mut fences, Timeline::Global, id);
            wraps += u32::from(number < last);
            last = number;
            if id % 10 == 9 {
                fences.retire(number);
                assert_eq!(passed(&mut fences), (id - 9..=id).collect::<Vec<_>>());
            }
        }

        assert_eq!(wraps, 1);
        assert!(!fences.is_waiting());
    }

    #[test]
    fn a_number_that_is_not_on_its_way_passes_nothing() {
        let mut fences = Fences::new();
        let number = add(&mut fences, Timeline::Global, 1);

        fences.retire(number.wrapping_add(1));
        fences.retire(0);

        assert_eq!(passed(&mut fences), [0u64; 0]);
        assert!(fences.is_waiting());
    }

    #[test]
    fn a_fence_is_known_by_its_number_until_it_passes() {
        let mut fences = Fences::new();
        let first = add(&mut fences, Timeline::Global, 1);
        let second = add(&mut fences, RING, 2);
        assert_eq!(fences.number_of(FenceId(1)), Some(first));
        assert_eq!(fences.number_of(FenceId(2)), Some(second));
        assert_eq!(fences.number_of(FenceId(3)), None);

        fences.retire(first);

        assert_eq!(fences.number_of(FenceId(1)), None);
        assert_eq!(fences.number_of(FenceId(2)), Some(second));
    }

    #[test]
    fn the_end_of_a_context_passes_its_fences_only() {
        let mut fences = Fences::new();
        let first = add(&mut fences, Timeline::Global, 1);
        add(&mut fences, RING, 2);
        add(&mut fences, RING, 3);

        fences.end_context(ContextId(7));

        assert_eq!(passed(&mut fences), [2, 3]);
        fences.retire(first);
        assert_eq!(passed(&mut fences), [1]);
    }

    #[test]
    fn a_fence_of_a_context_that_is_gone_is_the_library_s_until_it_passes() {
        let mut fences = Fences::new();
        let number = add(&mut fences, RING, 1);
        assert!(!fences.has_orphans());

        fences.end_context(ContextId(7));
        assert_eq!(passed(&mut fences), [1]);
        assert!(fences.has_orphans());
        assert!(fences.is_waiting(), "the library is to be polled");

        fences.retire(number);

        assert!(!fences.has_orphans());
        assert!(!fences.is_waiting());
        assert_eq!(passed(&mut fences), [0u64; 0], "told once");
    }
}
