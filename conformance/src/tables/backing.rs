//! A: RESOURCE_ATTACH_BACKING and RESOURCE_DETACH_BACKING.

use super::{Setting, drawn};
use crate::case::{
    BADRES, Case, OK, OK_OR_BADPARAM, Step, UNSPEC, UNSPEC_OR_BADPARAM, UNSPEC_OR_BADRES,
};
use crate::map::{BORDER, HOLE, IMAGE, PLUGGED, PLUGGED_BYTES};
use crate::message::{
    attach, attach_promising, create, detach, flush, set_scanout, transfer, whole,
};

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for id in [0, 9, u32::MAX] {
        cases.push(
            Case::hostile("A01", format!("resource {id}"))
                .send(attach(id, &[(IMAGE, 64)]), BADRES)
                .send(detach(id), BADRES),
        );
    }
    cases.extend(counts());
    cases.extend(addresses());
    cases.extend(twice());
    cases.push(
        Case::legal("A12", "attached and detached, over and over")
            .given([create(1, 4, 4)])
            .repeat(setting.rounds / 4, |_| {
                [attach(1, &[(IMAGE, 64)]), detach(1)]
                    .map(|message| Step::send(message, OK))
                    .into()
            }),
    );
    cases.push(
        Case::hostile("A16", "the memory behind it is taken away")
            .write(PLUGGED, drawn(32, 32).bytes())
            .given([
                create(1, 32, 32),
                attach(1, &[(PLUGGED, 4096)]),
                transfer(1, whole(32, 32), 0),
                set_scanout(0, 1, whole(32, 32)),
                flush(1, whole(32, 32)),
            ])
            .shows(0, Some(drawn(32, 32)))
            .step(Step::Unplug)
            .send(transfer(1, whole(32, 32), 0), UNSPEC)
            .send(attach(1, &[(PLUGGED, 4096)]), UNSPEC)
            .send(flush(1, whole(32, 32)), OK)
            .shows(0, Some(drawn(32, 32)))
            .send(detach(1), OK)
            .send(attach(1, &[(IMAGE, 4096)]), OK),
    );
    cases
}

fn counts() -> Vec<Case> {
    let two = [(IMAGE, 32), (IMAGE + 4096, 32)];
    let many = |count: u64| -> Vec<_> { (0..count).map(|at| (IMAGE + 2 * at, 1)).collect() };
    let mut cases = vec![
        Case::hostile("A02", "no entries")
            .given([create(1, 4, 4)])
            .send(attach(1, &[]), UNSPEC),
        Case::hostile("A03", "2^32 - 1 entries promised, one there")
            .given([create(1, 4, 4)])
            .send(attach_promising(1, u32::MAX, &[(IMAGE, 64)]), UNSPEC)
            .send(attach_promising(1, 0x1000_0000, &[(IMAGE, 64)]), UNSPEC)
            .send(attach_promising(1, 0x1000_0001, &[(IMAGE, 64)]), UNSPEC),
        Case::legal("A04", "16,384 entries")
            .given([create(1, 4, 4)])
            .send(attach(1, &many(16_384)), OK),
        Case::hostile("A04", "16,385 entries")
            .given([create(1, 4, 4)])
            .send(attach(1, &many(16_385)), UNSPEC),
        Case::legal("A05", "fewer promised than there are")
            .given([create(1, 4, 4)])
            .send(attach_promising(1, 1, &two), OK),
    ];
    let cut =
        Case::hostile("A05", "two entries promised, fewer bytes there").given([create(1, 4, 4)]);
    cases.push((32..64).fold(cut, |case, length| {
        case.send(attach(1, &two).resized(length), UNSPEC)
    }));
    cases
}

fn addresses() -> Vec<Case> {
    let mut cases = Vec::new();
    for address in [IMAGE, HOLE, u64::MAX] {
        cases.push(
            Case::hostile("A06", format!("an entry of no bytes at {address:#x}"))
                .given([create(1, 4, 4)])
                .send(attach(1, &[(IMAGE, 64), (address, 0)]), OK_OR_BADPARAM),
        );
    }
    let nowhere = [
        ("in the hole", HOLE, 64),
        ("one byte into the hole", HOLE - 63, 64),
        ("behind all memory", PLUGGED + PLUGGED_BYTES, 1),
        ("over the hole", HOLE - 64, (PLUGGED - HOLE) as u32 + 128),
        ("at the end of the address space", u64::MAX - 63, 64),
        ("past the end of the address space", u64::MAX - 62, 64),
        ("4 GiB long", IMAGE, u32::MAX),
    ];
    for (why, address, length) in nowhere {
        cases.push(
            Case::hostile("A07", why)
                .given([create(1, 4, 4)])
                .send(attach(1, &[(address, length)]), UNSPEC)
                .send(attach(1, &[(IMAGE, 64), (address, length)]), UNSPEC)
                .send(transfer(1, whole(4, 4), 0), UNSPEC)
                .send(attach(1, &[(IMAGE, 64)]), OK),
        );
    }
    let there = [
        ("the last byte before the hole", HOLE - 1, 1),
        ("the first byte", 0, 1),
        ("the last byte of all", PLUGGED + PLUGGED_BYTES - 1, 1),
        ("over two regions", BORDER - 64, 128),
    ];
    for (why, address, length) in there {
        cases.push(
            Case::legal("A07", why)
                .given([create(1, 4, 4)])
                .send(attach(1, &[(address, length)]), OK),
        );
    }
    let long = [(0, 32 << 20); 200];
    cases.push(
        Case::hostile("A09", "more than 4 GiB together")
            .given([create(1, 4, 4)])
            .send(attach(1, &long), OK_OR_BADPARAM),
    );
    cases.push(
        Case::legal("A10", "far more than the resource needs")
            .given([create(1, 4, 4)])
            .send(attach(1, &[(0, 48 << 20)]), OK)
            .send(transfer(1, whole(4, 4), (48 << 20) - 64), OK),
    );
    cases
}

fn twice() -> Vec<Case> {
    vec![
        Case::hostile("A08", "attached twice; the first counts")
            .with_screen(1, 32, 32)
            .send(attach(1, &[(0, 4096)]), UNSPEC)
            .given([transfer(1, whole(32, 32), 0), flush(1, whole(32, 32))])
            .shows(0, Some(drawn(32, 32))),
        Case::hostile("A13", "detached without backing, and twice")
            .given([create(1, 4, 4)])
            .send(detach(1), UNSPEC_OR_BADRES)
            .given([attach(1, &[(IMAGE, 64)]), detach(1)])
            .send(detach(1), UNSPEC_OR_BADRES),
        Case::hostile("A15", "a transfer after the backing was detached")
            .with_screen(1, 32, 32)
            .given([detach(1)])
            .send(transfer(1, whole(32, 32), 0), UNSPEC_OR_BADPARAM)
            .send(flush(1, whole(32, 32)), OK)
            .shows(0, Some(drawn(32, 32))),
    ]
}
