//! V: available rings, indices, and the setup of queues.

use virtio_gpu::QueueIndex;
use virtio_gpu::testing::Piece;

use super::Setting;
use crate::case::{
    ANYTHING, Case, DISPLAY_INFO, Expect, QUEUE_FAILS, QUEUE_FAILS_OR_SILENT, RingWrite, SILENT,
    SetupFault, Step,
};
use crate::in_process::{FEATURES, QUEUES};
use crate::map::{HOLE, PLUGGED, REQUEST};
use crate::message::display_info;

/// `VIRTIO_F_EVENT_IDX`.
const EVENT_IDX: u64 = 1 << 29;

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases: Vec<Case> = QUEUES.into_iter().flat_map(both).collect();
    cases.push(
        Case::legal("V28", "kicks of an empty ring").repeat(setting.rounds, |_| {
            vec![ring(QueueIndex::Control, Vec::new(), SILENT)]
        }),
    );
    cases.push(storm());
    cases.push(event_indices());
    cases
}

/// Descriptors of the driver's ring.
fn size(queue: QueueIndex) -> u16 {
    match queue {
        QueueIndex::Control => 256,
        QueueIndex::Cursor => 16,
    }
}

fn ring(queue: QueueIndex, writes: Vec<RingWrite>, expect: Expect) -> Step {
    Step::Ring {
        queue,
        writes,
        expect,
    }
}

fn both(queue: QueueIndex) -> Vec<Case> {
    let size = size(queue);
    let case = |id, what: &str| Case::hostile(id, format!("{what}, {queue:?} queue"));
    let piece = Piece::readable(REQUEST, 8);
    let link = |index, next| RingWrite::Descriptor { index, piece, next };
    let first = RingWrite::Available(0);
    let mut cases = Vec::new();
    for head in [size, size + 1, 0x7fff, 0xffff] {
        cases.push(case("V01", &format!("head {head}")).step(ring(
            queue,
            vec![RingWrite::Available(head)],
            QUEUE_FAILS,
        )));
    }
    for next in [size, 0x7fff, 0xffff] {
        cases.push(case("V02", &format!("next descriptor {next}")).step(ring(
            queue,
            vec![link(0, Some(next)), first],
            QUEUE_FAILS_OR_SILENT,
        )));
    }
    cases.push(case("V03", "a descriptor that follows itself").step(ring(
        queue,
        vec![link(0, Some(0)), first],
        QUEUE_FAILS_OR_SILENT,
    )));
    cases.push(case("V03", "two descriptors in a circle").step(ring(
        queue,
        vec![link(0, Some(1)), link(1, Some(0)), first],
        QUEUE_FAILS_OR_SILENT,
    )));
    for by in [size.cast_signed() + 1, 0x3fff, i16::MAX] {
        cases.push(case("V21", &format!("index ahead by {by}")).step(ring(
            queue,
            vec![RingWrite::JumpAvailable(by)],
            QUEUE_FAILS,
        )));
    }
    for by in [-1, -2, i16::MIN] {
        cases.push(case("V22", &format!("index back by {by}")).step(ring(
            queue,
            vec![RingWrite::JumpAvailable(by)],
            QUEUE_FAILS,
        )));
    }
    // A turn may end between the two; then the head is in flight once, twice over.
    cases.push(case("V27", "one head twice in flight").step(ring(
        queue,
        vec![link(0, None), first, first],
        QUEUE_FAILS_OR_SILENT,
    )));
    cases.push(
        case("V26", "the ring's memory is taken away")
            .step(Step::MovedSetup {
                queue,
                base: PLUGGED,
            })
            .step(Step::Unplug)
            .step(ring(queue, Vec::new(), QUEUE_FAILS))
            .needs_reset(),
    );
    let refused = [
        ("V30", SetupFault::Size(0)),
        ("V30", SetupFault::Size(3)),
        ("V30", SetupFault::Size(2048)),
        ("V30", SetupFault::Size(32_769)),
        ("V30", SetupFault::Size(u16::MAX)),
        ("V31", SetupFault::DescriptorTable(0x1_0008)),
        ("V31", SetupFault::AvailRing(0x1_1001)),
        ("V31", SetupFault::UsedRing(0x1_2002)),
        ("V26", SetupFault::DescriptorTable(HOLE)),
        ("V26", SetupFault::AvailRing(HOLE)),
        ("V26", SetupFault::UsedRing(HOLE)),
        ("V26", SetupFault::DescriptorTable(HOLE - 16)),
        ("V26", SetupFault::UsedRing(u64::MAX - 3)),
    ];
    for (id, setup) in refused {
        cases.push(
            case(id, &format!("{setup:x?}"))
                .step(Step::RefusedSetup { queue, setup })
                .needs_reset(),
        );
    }
    cases
}

/// V23: another processor rewrites the cursor queue's available ring all the time; the control
/// queue is served nevertheless.
fn storm() -> Case {
    // The cursor ring has 16 descriptors at 0x3_0000; its available ring follows.
    let available = 0x3_0100_u64;
    let mut writes = vec![(available + 4, vec![0; 32])];
    for index in [1_u16, 5, 9, 16, 40, 3] {
        writes.push((available + 2, index.to_le_bytes().to_vec()));
    }
    Case::hostile("V23", "an available ring that never rests").step(Step::Beside {
        writes,
        times: 100,
        steps: vec![
            ring(QueueIndex::Cursor, Vec::new(), ANYTHING),
            Step::send(display_info(), DISPLAY_INFO),
        ],
    })
}

/// V32: whatever event index the driver names, requests are answered.
fn event_indices() -> Case {
    Case::hostile("V32", "wild event indices")
        .step(Step::Reset {
            features: FEATURES | EVENT_IDX,
        })
        .repeat(64, |round| {
            let wild = round.wrapping_mul(0x9e37) as u16;
            vec![
                // Behind the 256 entries of the control queue's available ring.
                Step::Write {
                    address: 0x1_1204,
                    bytes: wild.to_le_bytes().to_vec(),
                },
                Step::send(display_info(), DISPLAY_INFO),
            ]
        })
}
