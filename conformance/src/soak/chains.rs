//! Descriptor chains and rings that break the rules.

use virtio_gpu::QueueIndex;
use virtio_gpu::testing::Piece;

use super::Plan;
use super::machine::{ANSWERS, Chain, Machine, REQUESTS};
use super::meter::Course;
use crate::exchange::{INDIRECT, chained, table};
use crate::message::display_info;

/// Bytes of GET_DISPLAY_INFO and of its answer.
const REQUEST: u32 = 24;
const ANSWER: u32 = 408;
/// Where the guest has no memory.
const NOWHERE: u64 = 1 << 40;
/// Where a table of indirect descriptors is.
const TABLE: u64 = REQUESTS + 4096;
/// Descriptors of the control ring.
const DESCRIPTORS: u16 = 256;

pub(super) fn malformed_chains(plan: &Plan) -> Vec<Course> {
    let daemon = plan.daemon();
    let mut machine = Machine::start(&daemon);
    machine.write(REQUESTS, &display_info().bytes);
    let nested = Piece {
        address: TABLE,
        length: 32,
        flags: INDIRECT,
    };
    machine.write(TABLE, &table(&chained(&[nested, nested])));
    let mut courses = Vec::new();
    for (path, pieces) in paths() {
        let batch: Vec<_> = (0..64)
            .map(|_| Chain {
                queue: QueueIndex::Control,
                pieces: pieces.clone(),
                answer: ANSWERS,
            })
            .collect();
        courses.push(plan.course(path, &daemon, &mut machine, |machine| {
            machine.exchange(&batch).len() as u64
        }));
    }
    for (path, fault) in [
        ("head beyond the ring", Fault::Head),
        ("index too far ahead", Fault::Index),
        ("circle", Fault::Link(0)),
        ("next beyond the ring", Fault::Link(DESCRIPTORS)),
    ] {
        courses.push(plan.course(path, &daemon, &mut machine, |machine| {
            break_ring(machine, fault);
            1
        }));
    }
    machine.succeed(&[display_info()]);
    courses
}

fn paths() -> Vec<(&'static str, Vec<Piece>)> {
    let request = Piece::readable(REQUESTS, REQUEST);
    let room = Piece::writable(ANSWERS, ANSWER);
    let indirect = |address, length| Piece {
        address,
        length,
        flags: INDIRECT,
    };
    vec![
        ("room before request", vec![room, request]),
        ("only room", vec![room]),
        ("no room", vec![request]),
        (
            "too little room",
            vec![request, Piece::writable(ANSWERS, 23)],
        ),
        (
            "request outside memory",
            vec![Piece::readable(NOWHERE, REQUEST), room],
        ),
        (
            "room outside memory",
            vec![request, Piece::writable(NOWHERE, ANSWER)],
        ),
        (
            "giant request outside memory",
            vec![Piece::readable(NOWHERE, u32::MAX), room],
        ),
        (
            "more than 2^32 bytes",
            vec![request, Piece::writable(ANSWERS, u32::MAX), room],
        ),
        ("table of no descriptor", vec![indirect(TABLE, 0)]),
        ("table of half a descriptor", vec![indirect(TABLE, 24)]),
        ("table outside memory", vec![indirect(NOWHERE, 32)]),
        ("table in a table", vec![indirect(TABLE, 32)]),
        (
            "table and a next descriptor",
            vec![indirect(TABLE, 32), room],
        ),
    ]
}

/// What is wrong with a ring.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// An entry that is no descriptor.
    Head,
    /// More entries than the ring has descriptors.
    Index,
    /// A first descriptor with this one behind it.
    Link(u16),
}

/// Breaks the control ring and sets it up anew.
fn break_ring(machine: &mut Machine, fault: Fault) {
    let control = QueueIndex::Control;
    let front_end = &mut machine.front_end;
    let ring = front_end.guest.driver.ring(control);
    match fault {
        Fault::Head => ring.make_available(DESCRIPTORS),
        Fault::Index => ring.jump_available(1000),
        Fault::Link(next) => {
            ring.write_descriptor(0, Piece::readable(REQUESTS, 1), Some(next));
            ring.make_available(0);
        }
    }
    front_end.guest.kick(control);
    front_end.synchronize();
    front_end.stop_ring(control);
    front_end.guest.driver.ring(control).restart();
    front_end.bases[0] = 0;
    front_end.send_ring_setup(control);
    front_end.send_kick(control);
}
