//! V: descriptor chains, on both queues.

use virtio_gpu::QueueIndex;
use virtio_gpu::testing::Piece;

use super::Setting;
use crate::case::{
    ANYTHING, Aftermath, Case, DISPLAY_INFO, Expect, OK, QUEUE_FAILS_OR_SILENT, RETURNED, SILENT,
    Step, UNSPEC, UNSPEC_OR_BADPARAM,
};
use crate::exchange::{Exchange, INDIRECT, NEXT, chained};
use crate::in_process::FEATURES;
use crate::map::{ANSWER, BORDER, HOLE, REQUEST, TABLE};
use crate::message::{Message, create, display_info, move_cursor};

/// Addresses at which a guest has no memory, or less than is asked for.
const NO_MEMORY: [u64; 6] = [
    HOLE,
    HOLE + 4096,
    0xfee0_0000,
    0xffff_ffff_ffff_f000,
    u64::MAX - 7,
    u64::MAX,
];

/// Where the driver's control ring is, VIRTIO 1.4 §2.7: descriptors, available ring, used ring.
const RING: [u64; 3] = [0x1_0000, 0x1_1000, 0x1_1208];

pub(super) fn cases(_: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for (message, answer, expect) in [
        (display_info(), 408, DISPLAY_INFO),
        (move_cursor(0, 1, 1), 24, OK),
    ] {
        let probe = Probe {
            message,
            answer,
            expect,
        };
        cases.extend(probe.legal());
        cases.extend(probe.hostile());
        cases.extend(probe.indirect());
    }
    cases.extend(one_sided());
    cases.extend(overlapping());
    cases.extend(changing());
    cases
}

/// A request that works in any legal framing.
struct Probe {
    message: Message,
    /// Length of its answer.
    answer: u32,
    expect: Expect,
}

impl Probe {
    fn length(&self) -> u32 {
        self.message.bytes.len() as u32
    }

    fn request(&self) -> Piece {
        Piece::readable(REQUEST, self.length())
    }

    fn room(&self) -> Piece {
        Piece::writable(ANSWER, self.answer)
    }

    fn framed(&self, pieces: &[Piece]) -> Exchange {
        Exchange::framed(self.message.clone(), pieces.iter().copied())
    }

    fn name(&self, what: &str) -> String {
        format!("{what}, {:?} queue", self.message.queue)
    }

    /// How many descriptors a chain may have on this queue.
    fn most(&self) -> u32 {
        match self.message.queue {
            QueueIndex::Control => 256,
            QueueIndex::Cursor => 16,
        }
    }

    fn legal(&self) -> Vec<Case> {
        let (request, room) = (self.request(), self.room());
        let nothing = Piece::readable(REQUEST, 0);
        let no_room = Piece::writable(ANSWER, 0);
        let singles = self.length().min(self.most() - 2);
        let split_request: Vec<_> = (0..singles - 1)
            .map(|at| Piece::readable(REQUEST + u64::from(at), 1))
            .chain([Piece::readable(
                REQUEST + u64::from(singles - 1),
                self.length() - (singles - 1),
            )])
            .chain([room])
            .collect();
        let singles = self.answer.min(self.most() - 1);
        let split_room: Vec<_> = [request]
            .into_iter()
            .chain((0..singles - 1).map(|at| Piece::writable(ANSWER + u64::from(at), 1)))
            .chain([Piece::writable(
                ANSWER + u64::from(singles - 1),
                self.answer - (singles - 1),
            )])
            .collect();
        let half = u64::from(self.length() / 2);
        let spanning = self
            .framed(&[
                Piece::readable(BORDER - half, self.length()),
                Piece::writable(BORDER - 0x10_0000 - 12, self.answer),
            ])
            .writing(BORDER - half, self.message.bytes.clone());
        let spanning_room = self.framed(&[request, Piece::writable(BORDER - 12, self.answer)]);
        let legal = |id, what, exchange: Exchange| {
            Case::legal(id, self.name(what)).send(exchange, self.expect)
        };
        vec![
            legal(
                "V06",
                "empty descriptor first",
                self.framed(&[nothing, request, room]),
            ),
            legal(
                "V06",
                "empty descriptor in the middle",
                self.framed(&[request, nothing, room]),
            ),
            legal(
                "V06",
                "empty room in the middle",
                self.framed(&[request, no_room, room]),
            ),
            legal(
                "V06",
                "empty room last",
                self.framed(&[request, room, no_room]),
            ),
            legal("V09", "request over two regions", spanning),
            legal("V09", "room over two regions", spanning_room),
            legal(
                "V14",
                "request in single bytes",
                self.framed(&split_request),
            ),
            legal("V15", "room in single bytes", self.framed(&split_room)),
        ]
    }

    fn hostile(&self) -> Vec<Case> {
        let (request, room) = (self.request(), self.room());
        let case = |id, what: &str| Case::hostile(id, self.name(what));
        let mut cases = vec![
            case("V05", "more than 2^32 bytes").send(
                self.framed(&[
                    request,
                    Piece::writable(ANSWER, u32::MAX),
                    Piece::writable(ANSWER, u32::MAX),
                ]),
                QUEUE_FAILS_OR_SILENT,
            ),
            case("V10", "request runs into the hole").send(
                self.framed(&[Piece::readable(HOLE - 10, self.length()), room]),
                UNSPEC,
            ),
            case("V10", "room runs into the hole").send(
                self.framed(&[request, Piece::writable(HOLE - 10, self.answer)]),
                SILENT,
            ),
            case("V11", "room before request").send(self.framed(&[room, request]), SILENT),
            case("V11", "request after room").send(
                self.framed(&[request, room, Piece::readable(REQUEST, 1)]),
                SILENT,
            ),
            case("V12", "only room").send(self.framed(&[room]), UNSPEC_OR_BADPARAM),
        ];
        for address in NO_MEMORY {
            let id = if address > u64::MAX - 8 { "V08" } else { "V07" };
            let what = format!("request at {address:#x}");
            cases.push(case(id, &what).send(
                self.framed(&[Piece::readable(address, self.length()), room]),
                UNSPEC,
            ));
            let id = if address == 0xfee0_0000 { "V34" } else { id };
            let what = format!("room at {address:#x}");
            cases.push(case(id, &what).send(
                self.framed(&[request, Piece::writable(address, self.answer)]),
                SILENT,
            ));
        }
        cases
    }

    fn indirect(&self) -> Vec<Case> {
        let pieces = [self.request(), self.room()];
        let good = |address| Exchange::indirect(self.message.clone(), address, &chained(&pieces));
        let lied = |length| {
            let mut exchange = good(TABLE);
            exchange.pieces[0].length = length;
            exchange
        };
        let legal = |what| Case::legal("V16", self.name(what));
        let hostile = |id, what: &str| Case::hostile(id, self.name(what));
        let mut cases = vec![
            legal("indirect").send(good(TABLE), self.expect),
            legal("indirect, table misaligned by 1").send(good(TABLE + 1), self.expect),
            hostile("V16", "indirect without its feature")
                .step(Step::Reset {
                    features: FEATURES & !(1 << 28),
                })
                .send(good(TABLE), QUEUE_FAILS_OR_SILENT),
            self.nested(),
            self.endless(),
        ];
        for length in [0, 15, 17, u32::MAX - 15] {
            cases.push(
                hostile("V18", &format!("indirect table of {length} bytes"))
                    .send(lied(length), QUEUE_FAILS_OR_SILENT),
            );
        }
        for address in NO_MEMORY {
            let mut exchange = good(TABLE);
            exchange.pieces[0].address = address;
            let what = format!("indirect table at {address:#x}");
            cases.push(hostile("V19", &what).send(exchange, QUEUE_FAILS_OR_SILENT));
        }
        let mut both = good(TABLE);
        both.pieces[0].flags |= NEXT;
        let what = "indirect table and a next descriptor";
        both.pieces.push(self.room());
        cases.push(hostile("V20", what).send(both, QUEUE_FAILS_OR_SILENT));
        let mut writable = good(TABLE);
        writable.pieces[0].flags |= 2;
        let what = "indirect table marked writable: the mark is ignored";
        cases.push(Case::legal("V20", self.name(what)).send(writable, self.expect));
        cases
    }

    fn nested(&self) -> Case {
        let inner = Piece {
            address: TABLE + 256,
            length: 32,
            flags: INDIRECT,
        };
        let pieces = [self.request(), self.room()];
        let exchange = Exchange::indirect(self.message.clone(), TABLE, &chained(&[inner]))
            .writing(TABLE + 256, crate::exchange::table(&chained(&pieces)));
        Case::hostile("V17", self.name("indirect inside indirect"))
            .send(exchange, QUEUE_FAILS_OR_SILENT)
    }

    fn endless(&self) -> Case {
        let byte = Piece::readable(REQUEST, 1);
        let entries = chained(&vec![byte; 0x1_0000]);
        Case::hostile("V04", self.name("an indirect table of 65,536 descriptors")).send(
            Exchange::indirect(self.message.clone(), TABLE, &entries),
            QUEUE_FAILS_OR_SILENT,
        )
    }
}

/// V13: no room for an answer on the control queue.
fn one_sided() -> Vec<Case> {
    let message = create(1, 4, 4).room(0);
    vec![Case::hostile("V13", "no room for an answer").send(message, SILENT)]
}

/// V19, V25: a part of the ring is also something else.
fn overlapping() -> Vec<Case> {
    let mut cases = Vec::new();
    for address in RING {
        let room = format!("room over the ring's part at {address:#x}");
        let pieces = [Piece::readable(REQUEST, 24), Piece::writable(address, 408)];
        cases.push(
            Case::hostile("V25", room)
                .send(Exchange::framed(display_info(), pieces), ANYTHING)
                .needs_reset(),
        );
        let table = Piece {
            address,
            length: 4096,
            flags: INDIRECT,
        };
        let what = format!("indirect table over the ring's part at {address:#x}");
        cases.push(
            Case::hostile("V19", what)
                .send(Exchange::framed(display_info(), [table]), ANYTHING)
                .needs_reset(),
        );
    }
    let pieces = [Piece::readable(REQUEST, 24), Piece::writable(REQUEST, 408)];
    cases.push(
        Case::hostile("V25", "room over the request")
            .send(Exchange::framed(display_info(), pieces), RETURNED),
    );
    cases
}

/// V24: another processor changes descriptors and request while they are read.
fn changing() -> Vec<Case> {
    let descriptor = |index: u64, piece: Piece, next: u16| {
        let at = RING[0] + 16 * index;
        let entry = crate::exchange::Entry { piece, next };
        (at, crate::exchange::table(&[entry]))
    };
    let flagged = |piece: Piece, flags| Piece { flags, ..piece };
    let request = Piece::readable(REQUEST, 24);
    let room = Piece::writable(ANSWER, 408);
    let mut writes = Vec::new();
    for index in 0..2 {
        for piece in [
            flagged(request, NEXT),
            flagged(Piece::readable(HOLE, u32::MAX), NEXT),
            flagged(room, 2),
            flagged(room, 2 | NEXT),
            flagged(Piece::readable(TABLE, 32), INDIRECT),
            request,
        ] {
            writes.push(descriptor(index, piece, 1 - index as u16));
            writes.push((REQUEST, vec![index as u8; 24]));
        }
    }
    vec![Case {
        aftermath: Aftermath::NeedsReset,
        ..Case::hostile("V24", "descriptors and request change while they are read").step(
            Step::Beside {
                writes,
                times: 200,
                steps: vec![Step::send(display_info(), RETURNED)],
            },
        )
    }]
}
