//! Steps that write into rings themselves, or set them up.

use std::time::Instant;

use virtio_gpu::QueueIndex;
use vm_memory::GuestAddress;

use super::{LOST_AFTER, Run};
use crate::case::{Expect, Outcome, RingWrite, SILENT, SetupFault};
use crate::violation::Violation;

impl Run<'_> {
    pub(super) fn ring(
        &mut self,
        queue: QueueIndex,
        writes: &[RingWrite],
        expect: Expect,
    ) -> Result<(), Violation> {
        let mut heads = Vec::new();
        for write in writes {
            let ring = self.executor.driver().ring(queue);
            match *write {
                RingWrite::Descriptor { index, piece, next } => {
                    ring.write_descriptor(index, piece, next);
                }
                RingWrite::Available(head) => {
                    ring.make_available(head);
                    heads.push(head);
                }
                RingWrite::JumpAvailable(by) => ring.jump_available(by),
            }
        }
        self.executor.kick(queue);
        if expect.is_empty() {
            return self.let_it_be();
        }
        let start = Instant::now();
        let mut told = false;
        let mut outcome = (writes.is_empty() && expect == SILENT).then_some(Outcome::Silent);
        while outcome.is_none() {
            if let Some(used) = self.executor.driver().ring(queue).take_used() {
                if !told {
                    // One interrupt may tell of all of them.
                    self.wait_for_interrupt(queue)?;
                    told = true;
                }
                let place = heads.iter().position(|head| *head == used.head);
                let place = place.ok_or(Violation::NotInFlight { head: used.head })?;
                heads.swap_remove(place);
                if used.length != 0 {
                    let (used, needed, room) = (used.length, 0, 0);
                    return Err(Violation::UsedLength { used, needed, room });
                }
                if heads.is_empty() {
                    outcome = Some(Outcome::Silent);
                }
            } else if self.executor.failed(queue) {
                outcome = Some(Outcome::QueueFails);
            } else if start.elapsed() > LOST_AFTER {
                let (head, within) = (heads.first().copied().unwrap_or(u16::MAX), LOST_AFTER);
                return Err(Violation::Lost { head, within });
            } else {
                self.executor.check_alive()?;
                self.executor.idle();
            }
        }
        match outcome {
            Some(got) if !expect.contains(&got) => Err(Violation::Outcome {
                what: format!("{writes:?}"),
                got,
                expected: expect,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn refused_setup(
        &mut self,
        queue: QueueIndex,
        fault: SetupFault,
    ) -> Result<(), Violation> {
        let mut setup = self.executor.driver().ring(queue).setup();
        match fault {
            SetupFault::Size(size) => setup.size = size,
            SetupFault::DescriptorTable(at) => setup.descriptor_table = GuestAddress(at),
            SetupFault::AvailRing(at) => setup.avail_ring = GuestAddress(at),
            SetupFault::UsedRing(at) => setup.used_ring = GuestAddress(at),
        }
        if self.executor.set_up(queue, &setup) {
            return Err(Violation::SetupAccepted);
        }
        Ok(())
    }

    /// The parts of the ring keep their distances.
    pub(super) fn moved_setup(&mut self, queue: QueueIndex, base: u64) -> Result<(), Violation> {
        let mut setup = self.executor.driver().ring(queue).setup();
        let by = base.wrapping_sub(setup.descriptor_table.0);
        for part in [
            &mut setup.descriptor_table,
            &mut setup.avail_ring,
            &mut setup.used_ring,
        ] {
            part.0 = part.0.wrapping_add(by);
        }
        if self.executor.set_up(queue, &setup) {
            Ok(())
        } else {
            Err(Violation::SetupRefused)
        }
    }
}
