//! H: headers, unknown commands, fences, and what is not offered.

use virtio_gpu::QueueIndex;

use super::{Setting, image};
use crate::case::{
    ANY_ERROR, BADPARAM, BADRES, BADSCAN, Case, DISPLAY_INFO, EDID, Expect, OK, OOM, Outcome,
    SILENT, Step, UNSPEC, UNSPEC_OR_BADPARAM,
};
use crate::in_process::FEATURES;
use crate::map::IMAGE;
use crate::message::{
    Message, attach, create, display_info, edid, flush, move_cursor, set_scanout, transfer, unref,
    update_cursor, whole,
};

/// Without CONTEXT_INIT a ring index may be ignored or refused.
const IGNORED_OR_REFUSED: Expect = &[
    Outcome::Response(0x1100),
    Outcome::Response(0x1204),
    Outcome::Response(0x1205),
];

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = unknown();
    cases.extend(wrong_queue());
    cases.extend(flags_and_padding());
    cases.extend(fences(setting));
    cases.extend(rooms());
    cases.extend(not_offered());
    cases
}

fn unknown() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [0, 0x00ff, 0x0fff, 0x0400, u32::MAX, 0x010e, 0x020a, 0x0302] {
        cases.push(
            Case::hostile("H01", format!("type {kind:#x}")).send(Message::of_kind(kind), UNSPEC),
        );
    }
    cases.push(
        Case::hostile("H01", "every type up to 0x10ff that no command has").repeat(
            0x1100,
            |kind| {
                let known = matches!(kind, 0x0100..=0x010d | 0x0200..=0x0209 | 0x0300..=0x0301);
                match known {
                    true => Vec::new(),
                    false => vec![Step::send(Message::of_kind(kind), UNSPEC)],
                }
            },
        ),
    );
    for kind in (0x1100..=0x1106).chain(0x1200..=0x1205) {
        cases.push(
            Case::hostile("H02", format!("response {kind:#x} as a request"))
                .send(Message::of_kind(kind), UNSPEC),
        );
    }
    for bytes in [0, 1, 4, 23] {
        cases.push(
            Case::hostile("H05", format!("a request of {bytes} bytes"))
                .send(Message::raw(vec![1; bytes]), BADPARAM),
        );
    }
    cases
}

fn wrong_queue() -> Vec<Case> {
    let mut cases = Vec::new();
    for message in [update_cursor(0, 0), move_cursor(0, 1, 1)] {
        let message = message.on(QueueIndex::Control);
        cases.push(
            Case::hostile("H03", "a cursor command on the control queue").send(message, UNSPEC),
        );
    }
    let control = [
        display_info(),
        edid(0),
        create(2, 4, 4),
        unref(1),
        attach(1, &[(IMAGE, 64)]),
        transfer(1, whole(4, 4), 0),
        set_scanout(0, 1, whole(4, 4)),
        flush(1, whole(4, 4)),
    ];
    for message in control {
        let message = message.on(QueueIndex::Cursor);
        cases.push(
            Case::hostile("H04", "a control command on the cursor queue")
                .given([create(1, 4, 4)])
                .send(message.clone(), UNSPEC)
                .send(message.room(0), SILENT),
        );
    }
    cases
}

fn flags_and_padding() -> Vec<Case> {
    let mut cases = Vec::new();
    for bit in 2..32 {
        cases.push(
            Case::legal("H08", format!("unknown flag {bit}"))
                .send(create(1, 4, 4).flags(1 << bit), OK),
        );
    }
    cases
        .push(Case::legal("H08", "all unknown flags").send(create(1, 4, 4).flags(0xffff_fffc), OK));
    let set = [0xff; 4];
    cases.push(
        Case::legal("H20", "padding that is not zero")
            .send(create(1, 4, 4).patched(21, &[0xff; 3]), OK)
            .send(attach(1, &[(IMAGE, 64)]).patched(44, &set), OK)
            .send(transfer(1, whole(4, 4), 0).patched(52, &set), OK)
            .send(set_scanout(0, 1, whole(4, 4)), OK)
            .send(flush(1, whole(4, 4)).patched(44, &set), OK)
            .send(edid(0).patched(28, &set), EDID)
            .send(update_cursor(0, 1).patched(36, &set).patched(52, &set), OK)
            .send(unref(1).patched(28, &set), OK),
    );
    cases
}

fn fences(setting: &Setting) -> Vec<Case> {
    let fence = 0x8000_0000_0000_0001;
    let mut cases = vec![
        Case::hostile("H09", "fenced and failing, each code")
            .given(image(1, 4, 4))
            .send(Message::of_kind(0).fenced(fence), UNSPEC)
            .send(create(2, 16_384, 16_384).fenced(fence), OOM)
            .send(set_scanout(u32::MAX, 1, whole(4, 4)).fenced(fence), BADSCAN)
            .send(unref(9).fenced(fence), BADRES)
            .send(transfer(1, whole(5, 4), 0).fenced(fence), BADPARAM)
            .send(unref(1).fenced(fence).resized(31), BADPARAM),
        Case::hostile("H12", "a ring index without a fence")
            .send(create(1, 4, 4).flags(2).ring(0, 3), IGNORED_OR_REFUSED),
    ];
    for id in [0, 1 << 31, 1 << 32, u64::from(u32::MAX), u64::MAX] {
        cases.push(
            Case::legal("H10", format!("fence {id:#x}"))
                .send(display_info().fenced(id), DISPLAY_INFO)
                .send(create(1, 4, 4).fenced(id), OK)
                .send(create(1, 4, 4).fenced(id), BADRES),
        );
    }
    cases.push([5, 5, 4, u64::MAX, 0, 1, 5].into_iter().fold(
        Case::legal("H11", "fences that repeat and decrease"),
        |case, id| case.send(display_info().fenced(id), DISPLAY_INFO),
    ));
    for ring in [64, 65, 128, 255] {
        let message = create(1, 4, 4).fenced(7).flags(3).ring(0, ring);
        cases.push(
            Case::hostile("H13", format!("ring index {ring}")).send(message, IGNORED_OR_REFUSED),
        );
    }
    let ring = |context| create(1, 4, 4).fenced(7).flags(3).ring(context, 1);
    cases.push(
        Case::hostile("H14", "a ring index without its feature")
            .step(in_2d())
            .send(ring(0), IGNORED_OR_REFUSED),
    );
    for context in [1, u32::MAX] {
        cases.push(
            Case::hostile("H15", format!("a ring of context {context}"))
                .send(ring(context), IGNORED_OR_REFUSED),
        );
    }
    cases.push(
        Case::hostile("H19", "fences on thousands of timelines")
            .step(in_2d())
            .repeat(setting.rounds, |round| {
                let message = flush(1, whole(1, 1)).fenced(u64::from(round)).flags(3);
                vec![Step::send(message.ring(round, round as u8), BADRES)]
            }),
    );
    cases
}

/// A driver that negotiates no 3D, whatever is offered.
fn in_2d() -> Step {
    Step::Reset { features: FEATURES }
}

fn rooms() -> Vec<Case> {
    let mut cases = Vec::new();
    let short = Case::hostile("H21", "room of 0 to 23 bytes, no side effect");
    cases.push((0..24).fold(short, |case, room| {
        case.send(create(1, 4, 4).room(room), SILENT)
    }));
    cases.push(Case::legal("H21", "room of 24 bytes").send(create(1, 4, 4).room(24), OK));
    for room in [24, 25, 40, 200, 407] {
        cases.push(
            Case::hostile("H22", format!("display information in {room} bytes"))
                .send(display_info().room(room), BADPARAM),
        );
    }
    for room in [24, 32, 408, 1055] {
        cases.push(
            Case::hostile("H22", format!("an EDID in {room} bytes"))
                .send(edid(0).room(room), BADPARAM),
        );
    }
    cases.push(
        Case::legal("H23", "room of 1 MiB")
            .send(display_info().room(1 << 20), DISPLAY_INFO)
            .send(edid(0).room(1 << 20), EDID)
            .send(create(1, 4, 4).room(1 << 20), OK)
            .send(create(1, 4, 4).room(1 << 20), BADRES),
    );
    cases
}

/// Commands of features that a 2D device does not offer: type, and bytes of the request.
const COMMANDS_3D: [(u32, usize); 8] = [
    (0x0200, 96),
    (0x0201, 24),
    (0x0202, 32),
    (0x0203, 32),
    (0x0204, 72),
    (0x0205, 72),
    (0x0206, 72),
    (0x0207, 40),
];

fn not_offered() -> Vec<Case> {
    let mut cases = Vec::new();
    let sized = |(kind, bytes)| {
        let zeros = vec![0; bytes];
        let message = Message::raw(zeros).patched(0, &u32::to_le_bytes(kind));
        message.room(64)
    };
    for command in COMMANDS_3D {
        let why = format!("3D command {:#x}", command.0);
        cases.push(
            Case::hostile("H24", why)
                .step(in_2d())
                .send(sized(command), UNSPEC),
        );
    }
    cases.push(
        Case::hostile("H24", "a command stream of 4 GiB in 4 bytes")
            .step(in_2d())
            .send(sized((0x0207, 36)).patched(24, &[0xff; 4]), ANY_ERROR),
    );
    for (command, expect) in [
        ((0x010b, 32), UNSPEC),
        ((0x010c, 72), UNSPEC_OR_BADPARAM),
        ((0x010d, 96), UNSPEC_OR_BADPARAM),
        ((0x0208, 40), UNSPEC_OR_BADPARAM),
        ((0x0209, 32), UNSPEC_OR_BADPARAM),
    ] {
        let why = format!("command {:#x} without its feature", command.0);
        cases.push(Case::hostile("H25", why).send(sized(command), expect));
    }
    cases.push(Case::hostile("H25", "a blob of 2^32 - 1 entries").send(
        sized((0x010c, 56)).patched(36, &[0xff; 4]),
        UNSPEC_OR_BADPARAM,
    ));
    cases.push(
        Case::hostile("H25", "an EDID without its feature")
            .step(Step::Reset {
                features: FEATURES & !(1 << 1),
            })
            .send(edid(0), UNSPEC),
    );
    cases
}
