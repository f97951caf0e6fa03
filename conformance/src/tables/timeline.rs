//! H09 to H19 on timelines of contexts.

use super::{Rendering, Setting};
use crate::case::{
    ANY_ERROR, BADCTX, BADPARAM, BADRES, Case, Expect, OK, OK_OR_ANY_ERROR, Step, UNSPEC,
};
use crate::map::IMAGE;
use crate::message::{attach, create, unref};
use crate::message_3d::{
    all_of, attach_to, create_3d, create_context, create_context_of, destroy_context, submit,
    texture, to_host,
};

const FENCE: u64 = 0x8000_0000_0000_0003;

/// A word that is no command.
const NONSENSE: u32 = u32::MAX;

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    // A context of virglrenderer's has one ring.
    let other_rings: Expect = match setting.rendering {
        Rendering::Virgl => OK_OR_ANY_ERROR,
        _ => OK,
    };
    let mut cases = vec![
        Case::hostile(
            "H09",
            "fenced and failing, on the global timeline and on a ring",
        )
        .given([create_context(1), create_3d(texture(1, 8, 8))])
        .send(create_context(1).on_ring(0, FENCE), BADCTX)
        .send(create_context_of(2, 99).fenced(FENCE), BADPARAM)
        .send(create_3d(texture(1, 8, 8)).fenced(FENCE), BADRES)
        .send(attach_to(1, 9).on_ring(0, FENCE), BADRES)
        .send(to_host(1, all_of(1, 8, 8)).on_ring(0, FENCE), UNSPEC)
        .send(to_host(0, all_of(1, 8, 8)).fenced(FENCE), UNSPEC)
        .send(submit(1, &[NONSENSE]).on_ring(0, FENCE), ANY_ERROR)
        .send(submit(1, &[NONSENSE]).fenced(FENCE), ANY_ERROR),
        Case::legal("H16", "ring 0")
            .given([create_context(1)])
            .given([submit(1, &[]).on_ring(0, FENCE), create(1, 4, 4)])
            .send(unref(1).context(1).on_ring(0, FENCE), OK),
        Case::legal("H16", "every other ring")
            .given([create_context(1)])
            .send(submit(1, &[]).on_ring(1, FENCE), other_rings)
            .send(submit(1, &[]).on_ring(63, FENCE), other_rings)
            .send(create(1, 4, 4).context(1).on_ring(63, FENCE), OK),
        Case::hostile("H12", "a ring without a fence")
            .given([create_context(1)])
            .send(submit(1, &[]).flags(2).ring(1, 9), OK_OR_ANY_ERROR),
        Case::hostile("H17", "a context goes with fences on its rings")
            .given([create_context(1)])
            .given([submit(1, &[]).on_ring(0, 1), submit(1, &[]).on_ring(0, 2)])
            .send(destroy_context(1).on_ring(0, 3), OK)
            .send(submit(1, &[]).on_ring(0, 4), BADCTX)
            .given([create_context(1), submit(1, &[]).on_ring(0, 1)]),
        Case::legal("U07", "of a resource with fenced transfers before it").given([
            create_context(1),
            create_3d(texture(1, 8, 8)),
            attach(1, &[(IMAGE, 256)]),
            attach_to(1, 1),
            to_host(1, all_of(1, 8, 8)).fenced(5),
            to_host(1, all_of(1, 8, 8)).on_ring(0, 6),
            unref(1).fenced(7),
        ]),
    ];
    for ring in [64, 65, 128, 255] {
        cases.push(
            Case::hostile("H13", format!("ring {ring}"))
                .given([create_context(1)])
                .send(submit(1, &[]).on_ring(ring, FENCE), BADPARAM)
                .send(create(1, 4, 4).context(1).on_ring(ring, FENCE), BADPARAM)
                .given([submit(1, &[]).on_ring(0, FENCE)]),
        );
    }
    for context in [0, 2, u32::MAX] {
        cases.push(
            Case::hostile("H15", format!("a ring of context {context}"))
                .given([create_context(1)])
                .send(submit(context, &[]).on_ring(0, FENCE), BADCTX)
                .send(create(1, 4, 4).context(context).on_ring(1, FENCE), BADCTX)
                .send(unref(1), BADRES),
        );
    }
    for id in [0, 1 << 31, 1 << 32, u64::from(u32::MAX), u64::MAX] {
        cases.push(
            Case::legal("H10", format!("fence {id:#x} on a ring"))
                .given([create_context(1), submit(1, &[]).on_ring(0, id)])
                .send(submit(1, &[NONSENSE]).on_ring(0, id), ANY_ERROR),
        );
    }
    cases.push([5, 5, 4, u64::MAX, 0, 1, 5].into_iter().fold(
        Case::legal("H11", "fences that repeat and decrease on a ring").given([create_context(1)]),
        |case, id| case.send(submit(1, &[]).on_ring(0, id), OK),
    ));
    cases.push(
        Case::legal("H19", "fences on thousands of timelines")
            .given((1..=16).map(create_context))
            .repeat(setting.rounds, |round| {
                let ring = (round / 16 % 64) as u8;
                let fenced = submit(1 + round % 16, &[]).on_ring(ring, u64::from(round));
                vec![Step::send(fenced, OK_OR_ANY_ERROR)]
            }),
    );
    cases
}
