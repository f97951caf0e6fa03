//! The oracle sees it when a device misbehaves: one device for each thing that it must not do.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::sync::Arc;
use std::time::Duration;

use conformance::case::{BADPARAM, BADRES, OK};
use conformance::executor::{Executor, Footprint, Log, ShownCursor};
use conformance::map::{ANSWER, REQUEST};
use conformance::message::{create, unref};
use conformance::{Case, InProcess, Picture, Violation, run};
use virtio_gpu::testing::Driver;
use virtio_gpu::{Limits, QueueIndex, QueueSetup};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// The used ring of the driver's control queue; its index is 2 bytes in, its entries 4.
const USED: u64 = 0x1_1208;

/// What a device does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    WritesBehindItsAnswer,
    WritesBeforeItsAnswer,
    WritesToTheRequest,
    ClaimsMoreThanItWrote,
    ForgetsTheFence,
    InventsAFence,
    AnswersWithNoResponse,
    LosesRequests,
    NeverInterrupts,
    ReturnsAnotherHead,
    ChangesStateWhenItRefuses,
    LeaksAtReset,
    LogsTwice,
    ShowsAWrongPixel,
    ShowsNothing,
    Dies,
}

#[derive(Debug)]
struct Faulty {
    device: InProcess,
    fault: Fault,
    calls: u64,
}

impl Faulty {
    fn spoil(&mut self) {
        let memory = self.device.memory();
        let put = |at: u64, bytes: &[u8]| memory.write_slice(bytes, GuestAddress(at)).unwrap();
        let used: u16 = memory.read_obj(GuestAddress(USED + 2)).unwrap();
        let last = USED + 4 + 8 * u64::from(used.wrapping_sub(1) % 256);
        match self.fault {
            Fault::WritesBehindItsAnswer => put(ANSWER + 500, &[0]),
            Fault::WritesBeforeItsAnswer => put(ANSWER - 1, &[0]),
            Fault::WritesToTheRequest => put(REQUEST + 30, &[0x99]),
            Fault::ClaimsMoreThanItWrote => put(last + 4, &[25]),
            Fault::ForgetsTheFence => put(ANSWER + 4, &[0; 12]),
            Fault::InventsAFence => put(ANSWER + 4, &[1]),
            Fault::AnswersWithNoResponse => put(ANSWER, &[0x07, 0x11]),
            Fault::ReturnsAnotherHead => put(last, &[77]),
            _ => {}
        }
    }
}

impl Executor for Faulty {
    fn features(&self) -> u64 {
        self.device.features()
    }

    fn memory(&self) -> Arc<GuestMemoryMmap> {
        self.device.memory()
    }

    fn driver(&mut self) -> &mut Driver {
        self.device.driver()
    }

    fn kick(&mut self, queue: QueueIndex) {
        if self.fault != Fault::LosesRequests {
            self.device.kick(queue);
            self.spoil();
        }
    }

    fn idle(&mut self) {}

    fn take_interrupt(&mut self, queue: QueueIndex) -> bool {
        self.fault != Fault::NeverInterrupts && self.device.take_interrupt(queue)
    }

    fn failed(&mut self, queue: QueueIndex) -> bool {
        self.device.failed(queue)
    }

    fn set_up(&mut self, queue: QueueIndex, setup: &QueueSetup) -> bool {
        self.device.set_up(queue, setup)
    }

    fn reset(&mut self, features: u64) -> Result<(), Violation> {
        self.device.reset(features)
    }

    fn unplug(&mut self) {
        self.device.unplug();
    }

    fn freeze(&mut self) {
        self.device.freeze();
    }

    fn thaw(&mut self) {
        self.device.thaw();
    }

    fn footprint(&mut self) -> Footprint {
        self.calls += 1;
        match self.fault {
            Fault::LeaksAtReset => Footprint(vec![("descriptors", self.calls)]),
            _ => self.device.footprint(),
        }
    }

    fn tracker(&mut self) -> Option<Footprint> {
        self.calls += 1;
        match self.fault {
            Fault::ChangesStateWhenItRefuses => Some(Footprint(vec![("resources", self.calls)])),
            _ => self.device.tracker(),
        }
    }

    fn shown(&mut self, scanout: u32) -> Option<Picture> {
        let mut picture = self.device.shown(scanout);
        match (self.fault, &mut picture) {
            (Fault::ShowsAWrongPixel, Some(picture)) => *picture.pixels.last_mut().unwrap() ^= 1,
            (Fault::ShowsNothing, _) => return None,
            _ => {}
        }
        picture
    }

    fn cursor(&mut self, scanout: u32) -> ShownCursor {
        self.device.cursor(scanout)
    }

    fn take_log(&mut self) -> Log {
        let log = self.device.take_log();
        match self.fault {
            Fault::LogsTwice => Log {
                lines: vec!["resource 1 is odd".into(), "resource 2 is odd".into()],
                span: Duration::from_millis(999),
            },
            _ => log,
        }
    }

    fn check_alive(&mut self) -> Result<(), Violation> {
        match self.fault {
            Fault::Dies => Err(Violation::Gone("signal 11".into())),
            _ => Ok(()),
        }
    }
}

/// What is first found wrong with a device that has this fault.
fn found(fault: Fault) -> Violation {
    let case = Case::legal("C01", "a resource")
        .send(create(1, 4, 4), OK)
        .send(create(0, 4, 4), BADRES)
        .send(unref(1), OK);
    let mut device = Faulty {
        device: InProcess::new(1, Limits::default()),
        fault,
        calls: 0,
    };
    let mut report = run(&mut device, &[case]);
    assert!(!report.failures.is_empty(), "{fault:?} was not found");
    report.failures.remove(0).violation
}

#[test]
fn a_write_where_none_may_be_is_seen() {
    assert_eq!(
        found(Fault::WritesBehindItsAnswer),
        Violation::Canary(ANSWER + 500)
    );
    assert_eq!(
        found(Fault::WritesBeforeItsAnswer),
        Violation::Canary(ANSWER - 1)
    );
    assert_eq!(
        found(Fault::WritesToTheRequest),
        Violation::Canary(REQUEST + 30)
    );
}

#[test]
fn a_wrong_used_length_is_seen() {
    let Violation::UsedLength {
        used: 25, room: 24, ..
    } = found(Fault::ClaimsMoreThanItWrote)
    else {
        panic!("25 bytes used of 24 are too many");
    };
}

#[test]
fn a_wrong_answer_is_seen() {
    assert!(matches!(
        found(Fault::ForgetsTheFence),
        Violation::Fence { flags: 0, .. }
    ));
    assert!(matches!(
        found(Fault::InventsAFence),
        Violation::Fence { flags: 1, .. }
    ));
    assert_eq!(
        found(Fault::AnswersWithNoResponse),
        Violation::NoResponse(0x1107)
    );
}

#[test]
fn a_lost_request_is_seen() {
    assert!(matches!(
        found(Fault::LosesRequests),
        Violation::Lost { head: 0, .. }
    ));
}

#[test]
fn a_missing_interrupt_is_seen() {
    assert_eq!(
        found(Fault::NeverInterrupts),
        Violation::NoInterrupt(QueueIndex::Control)
    );
}

#[test]
fn a_head_that_was_never_sent_is_seen() {
    assert_eq!(
        found(Fault::ReturnsAnotherHead),
        Violation::NotInFlight { head: 77 }
    );
}

#[test]
fn what_a_refusal_changes_and_a_reset_leaves_is_seen() {
    assert!(matches!(
        found(Fault::ChangesStateWhenItRefuses),
        Violation::SideEffect { .. }
    ));
    assert!(matches!(found(Fault::LeaksAtReset), Violation::Leak { .. }));
}

#[test]
fn a_log_line_twice_in_a_second_is_seen() {
    assert!(matches!(
        found(Fault::LogsTwice),
        Violation::LogFlood { count: 2, .. }
    ));
}

#[test]
fn a_wrong_picture_is_seen() {
    assert!(matches!(
        found(Fault::ShowsAWrongPixel),
        Violation::Shows {
            at: Some((32, 16)),
            ..
        }
    ));
    assert!(matches!(
        found(Fault::ShowsNothing),
        Violation::Shows { got: None, .. }
    ));
}

#[test]
fn a_death_is_seen() {
    assert_eq!(found(Fault::Dies), Violation::Gone("signal 11".into()));
}

#[test]
fn another_code_than_the_table_s_is_seen() {
    let mut device = InProcess::new(1, Limits::default());
    let case = Case::hostile("C01", "id 0").send(create(0, 4, 4), BADPARAM);

    let report = run(&mut device, &[case]);

    // Without and with a fence.
    assert_eq!(report.failures.len(), 2);
    assert!(matches!(
        report.failures[0].violation,
        Violation::Outcome { .. }
    ));
}
