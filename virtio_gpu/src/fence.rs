//! Fences: which finished commands may be answered, and in which order.
//!
//! A fenced command is answered only when it is done *and* every earlier
//! fenced command of its timeline has been answered (VIRTIO 1.4 §5.7.6.7,
//! `VIRTIO_GPU_FLAG_FENCE`). A timeline is therefore a first-in first-out
//! line whose finished prefix is released; waiting for the renderer or the
//! display is no special case. Unfenced commands are answered when done.
//!
//! The module knows nothing of rings: it moves items of type `T`.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::protocol::{ContextId, Features, RequestHeader};

/// A line of fences. Ids on different lines are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timeline {
    /// Every fenced command without `VIRTIO_GPU_FLAG_INFO_RING_IDX`.
    Global,
    /// One ring of one context, `VIRTIO_GPU_FLAG_INFO_RING_IDX`.
    Context {
        /// The context that owns the ring.
        context: ContextId,
        /// Ring index, 0 to 63.
        ring: u8,
    },
}

impl Timeline {
    /// The line of a request's fence, `None` without one. Rings of contexts
    /// have lines of their own only where `VIRTIO_GPU_F_CONTEXT_INIT` was
    /// negotiated; without it the flag means nothing.
    pub fn of(header: &RequestHeader, features: Features) -> Option<Self> {
        header.fence()?;
        let ring = header
            .timeline_ring()
            .filter(|_| features.contains(Features::CONTEXT_INIT));
        Some(ring.map_or(Self::Global, |ring| Self::Context {
            context: header.context,
            ring,
        }))
    }
}

/// A command whose outcome comes later. Device-wide, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

#[derive(Debug)]
struct Place<T> {
    /// `None` once the command is done.
    running: Option<Ticket>,
    item: T,
}

/// Commands that were taken from a queue and not answered yet.
#[derive(Debug)]
pub struct Waiting<T> {
    lines: HashMap<Timeline, VecDeque<Place<T>>>,
    unfenced: BTreeMap<Ticket, T>,
    /// Where a running fenced command stands, so that finishing one does not
    /// search every line.
    line_of: BTreeMap<Ticket, Timeline>,
    /// A line that was of use: each fence begins one where the guest waits.
    spare: VecDeque<Place<T>>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            lines: HashMap::new(),
            unfenced: BTreeMap::new(),
            line_of: BTreeMap::new(),
            spare: VecDeque::new(),
        }
    }
}

impl<T> Waiting<T> {
    /// Takes a command that is already done; it is appended to `released`
    /// unless an earlier fence of its timeline still runs.
    pub fn add_done(&mut self, timeline: Option<Timeline>, item: T, released: &mut Vec<T>) {
        let line = timeline.and_then(|timeline| self.lines.get_mut(&timeline));
        match line {
            Some(line) => line.push_back(Place {
                running: None,
                item,
            }),
            None => released.push(item),
        }
    }

    /// Takes a command that finishes later, with [`Waiting::finish`].
    pub fn add_running(&mut self, timeline: Option<Timeline>, ticket: Ticket, item: T) {
        match timeline {
            Some(timeline) => {
                self.line_of.insert(ticket, timeline);
                let line = self.lines.entry(timeline);
                let line = line.or_insert_with(|| std::mem::take(&mut self.spare));
                line.push_back(Place {
                    running: Some(ticket),
                    item,
                });
            }
            None => {
                self.unfenced.insert(ticket, item);
            }
        }
    }

    /// Marks a running command as done, lets `answer` fill the item in, and
    /// appends everything that may be answered now to `released`.
    ///
    /// A ticket that is not waiting (its queue was stopped) is ignored.
    pub fn finish(&mut self, ticket: Ticket, answer: impl FnOnce(&mut T), released: &mut Vec<T>) {
        if let Some(mut item) = self.unfenced.remove(&ticket) {
            answer(&mut item);
            released.push(item);
            return;
        }
        let Some(timeline) = self.line_of.remove(&ticket) else {
            return;
        };
        let Some(line) = self.lines.get_mut(&timeline) else {
            return;
        };
        if let Some(place) = line.iter_mut().find(|place| place.running == Some(ticket)) {
            place.running = None;
            answer(&mut place.item);
        }
        while let Some(place) = line.pop_front_if(|place| place.running.is_none()) {
            released.push(place.item);
        }
        if line.is_empty() {
            self.spare = self.lines.remove(&timeline).unwrap_or_default();
        }
    }

    /// What is known of the first fenced command that `selects` picks and that was
    /// not answered yet: its ticket, if it is still running.
    pub fn find(&self, selects: impl Fn(&T) -> bool) -> Option<Option<Ticket>> {
        let mut places = self.lines.values().flatten();
        let place = places.find(|place| selects(&place.item))?;
        Some(place.running)
    }

    /// Takes out every item that `selects` picks, with its ticket if its
    /// command was still running; the rest keeps its order and is released if nothing
    /// earlier runs any more.
    pub fn take_matching(
        &mut self,
        selects: impl Fn(&T) -> bool,
        released: &mut Vec<T>,
    ) -> Vec<Taken<T>> {
        let mut taken = Vec::new();
        for (ticket, item) in self.unfenced.extract_if(.., |_, item| selects(item)) {
            taken.push(Taken {
                running: Some(ticket),
                item,
            });
        }
        for line in self.lines.values_mut() {
            for place in std::mem::take(line) {
                if selects(&place.item) {
                    if let Some(ticket) = place.running {
                        self.line_of.remove(&ticket);
                    }
                    taken.push(Taken {
                        running: place.running,
                        item: place.item,
                    });
                } else {
                    line.push_back(place);
                }
            }
            while let Some(place) = line.pop_front_if(|place| place.running.is_none()) {
                released.push(place.item);
            }
        }
        self.lines.retain(|_, line| !line.is_empty());
        taken
    }

    /// Number of commands that were taken and not answered.
    pub fn len(&self) -> usize {
        self.lines
            .values()
            .map(VecDeque::len)
            .fold(self.unfenced.len(), usize::saturating_add)
    }

    /// Whether every command taken has been answered.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.unfenced.is_empty()
    }
}

/// An item that [`Waiting::take_matching`] took out.
#[derive(Debug)]
pub struct Taken<T> {
    /// The ticket of a command that had no outcome yet.
    pub running: Option<Ticket>,
    /// The item.
    pub item: T,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: Timeline = Timeline::Context {
        context: ContextId(3),
        ring: 0,
    };

    #[test]
    fn a_done_command_on_an_idle_timeline_is_released_at_once() {
        let mut waiting = Waiting::default();
        let mut released = Vec::new();

        waiting.add_done(Some(Timeline::Global), "a", &mut released);

        assert_eq!(released, ["a"]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_fence_never_passes_an_earlier_one_of_its_timeline() {
        let mut waiting = Waiting::default();
        let mut released = Vec::new();
        waiting.add_running(Some(Timeline::Global), Ticket(1), "first");
        waiting.add_done(Some(Timeline::Global), "second", &mut released);
        assert!(released.is_empty());

        waiting.finish(Ticket(1), |_| (), &mut released);

        assert_eq!(released, ["first", "second"]);
    }

    #[test]
    fn commands_finishing_out_of_order_are_released_in_order() {
        let mut waiting = Waiting::default();
        let mut released = Vec::new();
        for ticket in 1..=3 {
            waiting.add_running(Some(RING), Ticket(ticket), ticket);
        }

        waiting.finish(Ticket(3), |_| (), &mut released);
        waiting.finish(Ticket(2), |_| (), &mut released);
        assert!(released.is_empty());
        waiting.finish(Ticket(1), |_| (), &mut released);

        assert_eq!(released, [1, 2, 3]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn timelines_do_not_hold_each_other_back() {
        let mut waiting = Waiting::default();
        let mut released = Vec::new();
        waiting.add_running(Some(RING), Ticket(1), "slow context");

        waiting.add_done(Some(Timeline::Global), "global", &mut released);

        assert_eq!(released, ["global"]);
    }

    #[test]
    fn an_unfenced_command_does_not_wait_for_a_fence() {
        let mut waiting = Waiting::default();
        let mut released = Vec::new();
        waiting.add_running(Some(Timeline::Global), Ticket(1), "fenced");
        waiting.add_running(None, Ticket(2), "plain");

        waiting.finish(Ticket(2), |_| (), &mut released);

        assert_eq!(released, ["plain"]);
    }

    #[test]
    fn a_ticket_finished_twice_or_never_issued_releases_nothing() {
        let mut waiting = Waiting::default();
        let mut released = Vec::new();
        waiting.add_running(Some(Timeline::Global), Ticket(1), "a");

        waiting.finish(Ticket(9), |_| (), &mut released);
        waiting.finish(Ticket(1), |_| (), &mut released);
        waiting.finish(Ticket(1), |_| (), &mut released);

        assert_eq!(released, ["a"]);
    }

    #[test]
    fn taking_a_queue_s_commands_out_frees_those_behind_them() {
        let mut waiting = Waiting::default();
        let mut released = Vec::new();
        waiting.add_running(Some(Timeline::Global), Ticket(1), ("stopped", 1));
        waiting.add_done(Some(Timeline::Global), ("other", 2), &mut released);
        waiting.add_done(Some(Timeline::Global), ("stopped", 3), &mut released);

        let taken = waiting.take_matching(|item| item.0 == "stopped", &mut released);

        assert_eq!(released, [("other", 2)]);
        let taken: Vec<_> = taken.iter().map(|t| (t.item.1, t.running)).collect();
        assert_eq!(taken, [(1, Some(Ticket(1))), (3, None)]);
        assert!(waiting.is_empty());
    }
}
