//! B: blobs of the guest's memory, and what a device without a window of host memory refuses.

use super::Setting;
use crate::case::{ANY_ERROR, BADPARAM, BADRES, Case, OK, OOM, Step, UNSPEC, UNSPEC_OR_BADPARAM};
use crate::in_process::FEATURES;
use crate::map::{BORDER, HOLE, IMAGE};
use crate::message::{attach, create, detach, transfer, unref, whole};
use crate::message_blob::{create_blob, map_blob, new_blob, set_scanout_blob, unmap_blob};

/// Entries of one page.
const PAGES: [(u64, u32); 2] = [(IMAGE, 4096), (IMAGE + 0x10_0000, 4096)];

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = creating();
    cases.extend(entries());
    cases.extend(lives(setting));
    cases.extend(windows());
    cases
}

fn creating() -> Vec<Case> {
    let made = || create_blob(1, 8192, &PAGES);
    let mut cases = vec![
        Case::hostile("B01", "blobs were not negotiated")
            .step(Step::Reset { features: FEATURES })
            .send(made(), UNSPEC_OR_BADPARAM)
            .send(set_scanout_blob(0, 1, 4, 4), UNSPEC_OR_BADPARAM)
            .send(map_blob(1, 0), UNSPEC_OR_BADPARAM)
            .send(unmap_blob(1), UNSPEC_OR_BADPARAM),
        Case::hostile("B02", "id 0 and one that is taken")
            .send(create_blob(0, 8192, &PAGES), BADRES)
            .given([create(2, 4, 4), made()])
            .send(made(), BADRES)
            .send(create_blob(2, 8192, &PAGES), BADRES)
            .send(create(1, 4, 4), BADRES),
        Case::hostile("B06", "no byte").send(create_blob(1, 0, &PAGES), BADPARAM),
        Case::legal("B08", "one byte").given([create_blob(1, 1, &PAGES)]),
        Case::legal("B08", "a page and a byte").given([create_blob(1, 4097, &PAGES)]),
        Case::hostile("B13", "2^32 - 1 entries")
            .send(
                made().patched(new_blob::ENTRIES, &u32::MAX.to_le_bytes()),
                UNSPEC_OR_BADPARAM,
            )
            .send(
                made().patched(new_blob::ENTRIES, &3_u32.to_le_bytes()),
                UNSPEC_OR_BADPARAM,
            ),
    ];
    for memory in [0_u32, 4, u32::MAX] {
        cases.push(Case::hostile("B03", format!("memory {memory}")).send(
            made().patched(new_blob::MEMORY, &memory.to_le_bytes()),
            BADPARAM,
        ));
    }
    for memory in [2_u32, 3] {
        cases.push(
            Case::hostile("B04", format!("memory {memory}, a renderer's")).send(
                made().patched(new_blob::MEMORY, &memory.to_le_bytes()),
                BADPARAM,
            ),
        );
    }
    for flags in [8_u32, 0xffff_fff8, u32::MAX] {
        cases.push(Case::hostile("B05", format!("flags {flags:#x}")).send(
            made().patched(new_blob::FLAGS, &flags.to_le_bytes()),
            BADPARAM,
        ));
    }
    for flags in [0_u32, 1, 7] {
        let message = made().patched(new_blob::FLAGS, &flags.to_le_bytes());
        cases.push(Case::legal("B05", format!("flags {flags:#x}")).given([message]));
    }
    for size in [1 << 40, 1 << 63, u64::MAX] {
        cases.push(
            Case::hostile("B07", format!("{size} bytes"))
                .send(create_blob(1, size, &PAGES), OOM)
                .send(create_blob(1, size, &[]), OOM),
        );
    }
    cases
}

fn entries() -> Vec<Case> {
    let many = |count: u64| -> Vec<_> { (0..count).map(|page| (IMAGE + page * 64, 4)).collect() };
    let mut cases = vec![
        Case::hostile("B10", "a byte less than the blob")
            .send(create_blob(1, 8193, &PAGES), UNSPEC_OR_BADPARAM)
            .given([create_blob(1, 8193, &[])])
            .send(attach(1, &PAGES), UNSPEC_OR_BADPARAM),
        Case::legal("B11", "exactly the blob, and more")
            .given([create_blob(1, 8192, &PAGES), create_blob(2, 1, &PAGES)]),
        Case::legal("B12", "no entries: its memory comes later")
            .given([create_blob(1, 8192, &[]), attach(1, &PAGES)])
            .send(attach(1, &PAGES), UNSPEC_OR_BADPARAM)
            .given([detach(1), attach(1, &PAGES)]),
        Case::hostile("A11", "a second backing for a blob that has one")
            .given([create_blob(1, 8192, &PAGES)])
            .send(attach(1, &PAGES), UNSPEC_OR_BADPARAM)
            .given([detach(1)])
            .send(detach(1), ANY_ERROR)
            .send(attach(1, &[]), ANY_ERROR),
        Case::hostile("B13", "one entry too many")
            .send(create_blob(1, 4, &many(16_385)), UNSPEC)
            .given([create_blob(1, 4 * 16_384, &many(16_384))]),
    ];
    for (why, entry) in [
        ("in a hole", (HOLE, 4096)),
        ("into a hole", (HOLE - 4096, 8192)),
        ("that wraps", (u64::MAX - 4095, 8192)),
    ] {
        cases.push(
            Case::hostile("B10", format!("memory {why}"))
                .send(create_blob(1, 4096, &[entry]), UNSPEC)
                .send(create_blob(1, 4096, &[PAGES[0], entry]), UNSPEC),
        );
    }
    cases.push(
        Case::legal("B11", "memory over the border of two regions").given([create_blob(
            1,
            8192,
            &[(BORDER - 4096, 8192)],
        )]),
    );
    cases
}

fn lives(setting: &Setting) -> Vec<Case> {
    vec![
        Case::legal("B17", "blobs that come and go").repeat(setting.rounds, |_| {
            vec![
                Step::send(create_blob(1, 8192, &PAGES), OK),
                Step::send(set_scanout_blob(0, 1, 32, 32), OK),
                Step::send(unref(1), OK),
            ]
        }),
        Case::hostile("B17", "blobs without memory, as many as resources")
            .repeat(16_384, |id| {
                vec![Step::send(create_blob(id + 1, 8192, &[]), OK)]
            })
            .send(create_blob(20_000, 8192, &[]), OOM)
            .given([unref(77), create_blob(20_000, 8192, &[]), unref(20_000)]),
        Case::legal("B12", "transfers, which Linux sends all the same")
            .given([create_blob(1, 8192, &PAGES)])
            .send(transfer(1, whole(8, 8), 0), OK),
    ]
}

fn windows() -> Vec<Case> {
    vec![
        Case::hostile("B27", "unknown, and not a blob")
            .given([create(1, 4, 4)])
            .send(map_blob(9, 0), BADRES)
            .send(map_blob(0, 0), BADRES)
            .send(map_blob(1, 0), UNSPEC_OR_BADPARAM),
        Case::hostile("B34", "there is no window to map it into")
            .given([create_blob(1, 8192, &PAGES)])
            .send(map_blob(1, 0), UNSPEC)
            .send(map_blob(1, u64::MAX - 4095), UNSPEC),
        Case::hostile("B35", "unknown, and not mapped")
            .given([create_blob(1, 8192, &PAGES)])
            .send(unmap_blob(9), BADRES)
            .send(unmap_blob(1), UNSPEC)
            .send(unmap_blob(1), UNSPEC),
    ]
}
