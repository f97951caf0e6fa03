//! G01 to G07: contexts, and what they may use.

use super::{Rendering, Setting, drawn};
use crate::case::{BADCTX, BADPARAM, BADRES, Case, OK, OOM, Step, UNSPEC};
use crate::in_process::FEATURES;
use crate::map::IMAGE;
use crate::message::{attach, create, flush, set_scanout, transfer, unref, whole};
use crate::message_3d::{
    all_of, attach_to, create_3d, create_context, create_context_of, destroy_context, detach_from,
    submit, texture, to_host,
};

/// `VIRTIO_GPU_F_VIRGL`.
const VIRGL: u64 = 1 << 0;

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = vec![
        Case::hostile("G01", "context 0, and one that is there")
            .send(create_context(0), BADCTX)
            .given([create_context(1), create_context(u32::MAX)])
            .send(create_context(1), BADCTX)
            .send(create_context(u32::MAX), BADCTX),
        Case::legal("G01", "an id that is free again").given([
            create_context(1),
            destroy_context(1),
            create_context(1),
        ]),
        Case::hostile("G05", "an unknown context, and one twice")
            .send(destroy_context(0), BADCTX)
            .send(destroy_context(9), BADCTX)
            .given([create_context(1), destroy_context(1)])
            .send(destroy_context(1), BADCTX)
            .send(submit(1, &[]), BADCTX),
        Case::legal("G05", "with resources and fences")
            .given([
                create_context(1),
                create_3d(texture(1, 8, 8)),
                attach_to(1, 1),
            ])
            .given([submit(1, &[]).on_ring(0, 7), submit(1, &[]).fenced(8)])
            .given([destroy_context(1), unref(1)]),
        Case::legal("G05", "that are scanned out and used by others").given([
            create_context(1),
            create_context(2),
            create_3d(texture(1, 8, 8)),
            attach_to(1, 1),
            attach_to(2, 1),
            set_scanout(0, 1, whole(8, 8)),
            destroy_context(1),
            flush(1, whole(8, 8)),
            submit(2, &[]),
        ]),
    ];
    cases.extend(names());
    cases.extend(kinds());
    cases.extend(attachments());
    cases.extend(promotion());
    cases.extend(many(setting));
    cases
}

fn names() -> Vec<Case> {
    let named = |length: u32, name: u8| {
        create_context(1)
            .patched(24, &length.to_le_bytes())
            .patched(32, &[name; 64])
    };
    [
        ("a name of 65 bytes", 65, b'x'),
        ("a name of 2^32 - 1 bytes", u32::MAX, b'x'),
        ("a name of 64 bytes without an end", 64, b'x'),
        ("a name that is no UTF-8", 64, 0xff),
        ("a name of no bytes", 0, b'x'),
        ("a name of zeros", 64, 0),
    ]
    .map(|(why, length, byte)| Case::legal("G02", why).send(named(length, byte), OK))
    .into()
}

fn kinds() -> Vec<Case> {
    let mut cases: Vec<_> = [1, 2]
        .map(|kind| {
            Case::legal("G03", format!("a context of kind {kind}"))
                .given([create_context_of(1, kind), submit(1, &[])])
        })
        .into();
    for kind in [3, 63, 255, 0x100, 0x101, 0x8000_0002, u32::MAX] {
        cases.push(
            Case::hostile("G03", format!("a context of kind {kind:#x}"))
                .send(create_context_of(1, kind), BADPARAM)
                .send(create_context(1), OK),
        );
    }
    cases.push(
        Case::hostile("G03", "a kind without the feature")
            .step(Step::Reset {
                features: FEATURES | VIRGL,
            })
            .send(create_context_of(1, 2), BADPARAM)
            .send(create_context_of(1, 0), OK),
    );
    cases
}

fn attachments() -> Vec<Case> {
    vec![
        Case::hostile("G06", "an unknown context or resource")
            .given([create_context(1), create_3d(texture(1, 8, 8))])
            .send(attach_to(0, 1), BADCTX)
            .send(attach_to(2, 1), BADCTX)
            .send(attach_to(1, 0), BADRES)
            .send(attach_to(1, 2), BADRES)
            .send(attach_to(2, 2), BADCTX),
        Case::legal("G06", "twice")
            .given([create_context(1), create_3d(texture(1, 8, 8))])
            .given([attach_to(1, 1), attach_to(1, 1), detach_from(1, 1)]),
        Case::hostile("G07", "an unknown context or resource")
            .given([create_context(1), create_3d(texture(1, 8, 8))])
            .send(detach_from(0, 1), BADCTX)
            .send(detach_from(2, 1), BADCTX)
            .send(detach_from(1, 0), BADRES)
            .send(detach_from(1, 2), BADRES),
        Case::legal("G07", "what is not attached, and twice")
            .given([create_context(1), create_3d(texture(1, 8, 8))])
            .given([detach_from(1, 1), attach_to(1, 1)])
            .given([detach_from(1, 1), detach_from(1, 1)]),
        Case::hostile("G07", "what was detached is used no more")
            .given([
                create_context(1),
                create_3d(texture(1, 8, 8)),
                attach(1, &[(IMAGE, 256)]),
                attach_to(1, 1),
                to_host(1, all_of(1, 8, 8)),
                detach_from(1, 1),
            ])
            .send(to_host(1, all_of(1, 8, 8)), UNSPEC),
    ]
}

/// 2D resources that are attached, and become the renderer's.
fn promotion() -> Vec<Case> {
    let screen = whole(32, 32);
    vec![
        Case::legal(
            "G06",
            "a screen goes on showing its picture when a context uses it",
        )
        .given([create_context(1)])
        .with_screen(1, 32, 32)
        .given([attach_to(1, 1), flush(1, screen), submit(1, &[])])
        .given([flush(1, screen)])
        .shows(0, Some(drawn(32, 32))),
        Case::legal("G06", "a screen is drawn after a context has used it")
            .given([create_context(1), create(1, 32, 32)])
            .given([attach_to(1, 1), submit(1, &[])])
            .write(IMAGE, drawn(32, 32).bytes())
            .given([
                attach(1, &[(IMAGE, 4096)]),
                transfer(1, screen, 0),
                set_scanout(0, 1, screen),
                flush(1, screen),
            ])
            .shows(0, Some(drawn(32, 32)))
            .send(unref(1), OK)
            .shows(0, None),
        Case::legal("G06", "a part of it is drawn then")
            .with_screen(1, 32, 32)
            .given([create_context(1), attach_to(1, 1)])
            .given([to_host(1, all_of(1, 32, 32))])
            .given([
                transfer(1, gpu_buffer::Rect::new(5, 7, 9, 11), (7 * 32 + 5) * 4),
                flush(1, screen),
            ])
            .shows(0, Some(drawn(32, 32))),
    ]
}

fn many(setting: &Setting) -> Vec<Case> {
    // Each is a GL context.
    let (rounds, all) = match setting.rendering {
        Rendering::Virgl => (setting.rounds / 16, 16),
        _ => (setting.rounds, 64),
    };
    let mut cases = vec![
        Case::legal("G05", "created and destroyed, over and over").repeat(rounds, |round| {
            let context = 1 + round % 3;
            [create_context(context), destroy_context(context)]
                .map(|message| Step::send(message, OK))
                .into()
        }),
        Case::legal("U06", "a resource of many contexts goes")
            .given([create_3d(texture(1, 8, 8))])
            .given((1..=all).map(create_context))
            .given((1..=all).map(|context| attach_to(context, 1)))
            .given([unref(1)])
            .given((1..=all).map(|context| submit(context, &[]))),
        Case::legal("U06", "a 2D resource of many contexts goes")
            .given([create(1, 8, 8)])
            .given((1..=all).map(create_context))
            .given((1..=all).map(|context| attach_to(context, 1)))
            .given([submit(1, &[]), unref(1)])
            .given((1..=all).map(|context| submit(context, &[]))),
    ];
    if setting.rendering == Rendering::Recording {
        cases.push(
            Case::hostile("G04", "256, and one more")
                .given((1..=256).map(create_context))
                .send(create_context(257), OOM)
                .send(submit(256, &[]), OK)
                .given([destroy_context(100), create_context(257)])
                .send(create_context(100), OOM),
        );
    }
    cases
}
