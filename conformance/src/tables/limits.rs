//! The caps on what a guest can make the host hold: one less, exactly, one more. Each is made
//! small, so that its neighbourhood is quick to reach; the closing picture of the oracle fits in.

use virtio_gpu::Limits;

use crate::case::{BADPARAM, Case, OK, OOM, Step, UNSPEC};
use crate::map::IMAGE;
use crate::message::{attach, create, detach, set_scanout, transfer, unref, update_cursor, whole};
use crate::message_3d::{
    attach_to, create_3d, create_context, destroy_context, detach_from, submit, texture,
};

/// A device with these limits, and cases around one of them.
#[derive(Debug)]
pub struct LimitTable {
    /// The field of [`Limits`].
    pub field: &'static str,
    /// What the device is made with.
    pub limits: Limits,
    /// The cases.
    pub cases: Vec<Case>,
}

/// Every limit on what is held. Those on how long a turn is have tests of their own.
pub fn limit_tables() -> Vec<LimitTable> {
    vec![
        host_bytes(),
        shown_bytes(),
        resources(),
        side(),
        backing_entries(),
        total_backing_entries(),
        cursor_side(),
        request_bytes(),
    ]
}

/// The same of those that only a device that renders has.
pub fn rendering_limit_tables() -> Vec<LimitTable> {
    vec![contexts(), attachments(), renderer_bytes(), submit_bytes()]
}

fn table(field: &'static str, change: impl FnOnce(&mut Limits), cases: Vec<Case>) -> LimitTable {
    let mut limits = Limits::default();
    change(&mut limits);
    LimitTable {
        field,
        limits,
        cases,
    }
}

/// 128x128 pixels.
fn host_bytes() -> LimitTable {
    let change = |limits: &mut Limits| limits.host_bytes = 128 * 128 * 4;
    let alone = |why, width, height, expect| {
        let case = Case::hostile("host_bytes", why).send(create(1, width, height), expect);
        if expect == OK {
            case.send(unref(1), OK)
        } else {
            case
        }
    };
    let cases = vec![
        alone("a pixel less", 5461, 3, OK),
        alone("all", 128, 128, OK),
        alone("a pixel more", 3277, 5, OOM),
        Case::hostile("host_bytes", "in two, and a pixel more")
            .send(create(1, 128, 64), OK)
            .send(create(2, 128, 64), OK)
            .send(create(3, 1, 1), OOM)
            .send(unref(2), OK)
            .send(create(3, 127, 64), OK)
            .send(create(4, 8, 8), OK)
            .send(create(5, 1, 1), OOM)
            .send(unref(1), OK),
    ];
    table("host_bytes", change, cases)
}

/// 128x128 pixels.
fn shown_bytes() -> LimitTable {
    let change = |limits: &mut Limits| limits.shown_bytes = 128 * 128 * 4;
    let case = |why| Case::hostile("shown_bytes", why).given([create(1, 256, 256)]);
    let cases = vec![
        case("a pixel less, all, a pixel more")
            .send(set_scanout(0, 1, whole(127, 129)), OK)
            .send(set_scanout(0, 1, whole(128, 128)), OK)
            .send(set_scanout(0, 1, whole(145, 113)), OOM)
            .send(unref(1), OK),
        case("on two scanouts")
            .send(set_scanout(0, 1, whole(128, 64)), OK)
            .send(set_scanout(1, 1, whole(128, 65)), OOM)
            .send(set_scanout(1, 1, whole(128, 64)), OK)
            .send(set_scanout(2, 1, whole(1, 1)), OOM)
            .send(set_scanout(0, 0, whole(0, 0)), OK)
            .send(set_scanout(2, 1, whole(128, 64)), OK)
            .send(unref(1), OK),
    ];
    table("shown_bytes", change, cases)
}

fn resources() -> LimitTable {
    let change = |limits: &mut Limits| limits.resources = 4;
    let full = Case::hostile("resources", "three, four, and one more")
        .given((1..=4).map(|id| create(id, 1, 1)))
        .send(create(5, 1, 1), OOM)
        .send(create(4, 1, 1), crate::case::BADRES)
        .send(unref(2), OK)
        .send(create(5, 1, 1), OK)
        .send(create(2, 1, 1), OOM)
        .send(unref(1), OK);
    table("resources", change, vec![full])
}

fn side() -> LimitTable {
    let change = |limits: &mut Limits| limits.side = 100;
    let case = Case::hostile("side", "99, 100 and 101 pixels")
        .given([create(1, 99, 1), create(2, 100, 1), create(3, 1, 100)])
        .send(create(4, 101, 1), BADPARAM)
        .send(create(4, 1, 101), BADPARAM)
        .send(create(4, 100, 100), OK);
    table("side", change, vec![case])
}

/// Entries of four bytes that do not touch.
fn entries(count: u64) -> Vec<(u64, u32)> {
    (0..count).map(|at| (IMAGE + 8 * at, 4)).collect()
}

fn backing_entries() -> LimitTable {
    let change = |limits: &mut Limits| limits.backing_entries = 8;
    let case = Case::hostile("backing_entries", "seven, eight and nine entries")
        .given([create(1, 7, 1), create(2, 8, 1), create(3, 9, 1)])
        .given([attach(1, &entries(7)), attach(2, &entries(8))])
        .send(attach(3, &entries(9)), UNSPEC)
        .send(transfer(2, whole(8, 1), 0), OK)
        .send(transfer(3, whole(9, 1), 0), UNSPEC);
    table("backing_entries", change, vec![case])
}

fn total_backing_entries() -> LimitTable {
    let change = |limits: &mut Limits| limits.total_backing_entries = 8;
    let case =
        |why| Case::hostile("total_backing_entries", why).given((1..=3).map(|id| create(id, 4, 1)));
    let cases = vec![
        case("seven, eight and nine together")
            .given([attach(1, &entries(4)), attach(2, &entries(3))])
            .send(attach(3, &entries(2)), OOM)
            .send(attach(3, &entries(1)), OK)
            .given([detach(3), detach(1)])
            .send(attach(3, &entries(5)), OK)
            .send(attach(1, &entries(1)), OOM)
            .given([unref(2)])
            .send(attach(1, &entries(3)), OK)
            .given([unref(1)]),
        case("neighbours count once")
            .send(attach(1, &[(IMAGE, 4); 1]), OK)
            .send(
                attach(
                    2,
                    &(0..64).map(|at| (IMAGE + 4 * at, 4)).collect::<Vec<_>>(),
                ),
                OK,
            ),
    ];
    table("total_backing_entries", change, cases)
}

fn cursor_side() -> LimitTable {
    let change = |limits: &mut Limits| limits.cursor_side = 64;
    let case = Case::hostile("cursor_side", "63, 64 and 65 pixels")
        .with_screen(1, 64, 64)
        .given([create(2, 63, 63), create(3, 64, 64)])
        .given([create(4, 65, 64), create(5, 64, 65)])
        .send(update_cursor(0, 2), OK)
        .send(update_cursor(0, 3), OK)
        .send(update_cursor(0, 4), BADPARAM)
        .send(update_cursor(0, 5), BADPARAM)
        .cursor(0, Some((64, 64)));
    table("cursor_side", change, vec![case])
}

/// A header, a count and four entries of 16 bytes.
fn request_bytes() -> LimitTable {
    let change = |limits: &mut Limits| limits.request_bytes = 32 + 4 * 16;
    let case = Case::hostile("request_bytes", "three, four and five entries fit")
        .given([create(1, 4, 1)])
        .given([attach(1, &entries(3)), detach(1)])
        .given([attach(1, &entries(4)), detach(1)])
        .send(attach(1, &entries(5)), UNSPEC)
        .step(Step::send(attach(1, &entries(4)).resized(100_000), OK));
    table("request_bytes", change, vec![case])
}

fn contexts() -> LimitTable {
    let change = |limits: &mut Limits| limits.contexts = 3;
    let case = Case::hostile("contexts", "two, three, and one more")
        .given((1..=3).map(create_context))
        .send(create_context(4), OOM)
        .send(create_context(3), crate::case::BADCTX)
        .send(submit(3, &[]), OK)
        .given([destroy_context(1), create_context(4)])
        .send(create_context(1), OOM);
    table("contexts", change, vec![case])
}

fn attachments() -> LimitTable {
    let change = |limits: &mut Limits| limits.attachments = 3;
    let case = |why| {
        Case::hostile("attachments", why)
            .given((1..=2).map(create_context))
            .given([create(1, 4, 4), create_3d(texture(2, 4, 4))])
            .given([attach_to(1, 1), attach_to(1, 2), attach_to(2, 1)])
            .send(attach_to(2, 2), OOM)
            .send(attach_to(2, 1), OK)
    };
    let cases = vec![
        case("two, three, and one more").given([detach_from(1, 1), attach_to(2, 2)]),
        case("a resource goes").given([unref(1), attach_to(2, 2)]),
        case("a context goes").given([destroy_context(1), attach_to(2, 2)]),
        case("2D resources become the renderer's")
            .given([submit(1, &[])])
            .send(attach_to(2, 2), OOM)
            .given([unref(1), attach_to(2, 2)]),
    ];
    table("attachments", change, cases)
}

/// 64x64 texels.
fn renderer_bytes() -> LimitTable {
    let change = |limits: &mut Limits| limits.renderer_bytes = 64 * 64 * 4;
    let cases = vec![
        Case::hostile("renderer_bytes", "a texel less, all, one more")
            .given([create_3d(texture(1, 63, 65)), unref(1)])
            .given([create_3d(texture(1, 64, 64)), unref(1)])
            .send(create_3d(texture(1, 241, 17)), OOM)
            .send(create_3d(texture(1, 241, 16)), OK),
        Case::hostile("renderer_bytes", "in two")
            .given([create_3d(texture(1, 64, 32)), create_3d(texture(2, 64, 32))])
            .send(create_3d(texture(3, 1, 1)), OOM)
            .given([unref(1), create_3d(texture(3, 64, 32))]),
        Case::hostile(
            "renderer_bytes",
            "by 2D resources that become the renderer's",
        )
        .given([create_context(1), create(1, 64, 32), create(2, 64, 32)])
        .given([create(3, 64, 32)])
        .given((1..=3).map(|id| attach_to(1, id)))
        .given([submit(1, &[])])
        .send(create_3d(texture(4, 1, 1)), OOM)
        .given((1..=3).map(|id| attach(id, &[(IMAGE, 64 * 32 * 4)])))
        .given((1..=3).map(|id| transfer(id, whole(64, 32), 0)))
        .given([unref(1), unref(2), unref(3)]),
    ];
    table("renderer_bytes", change, cases)
}

/// The commands are those of the recording renderer: `[3, 0]` does nothing.
fn submit_bytes() -> LimitTable {
    let change = |limits: &mut Limits| {
        limits.submit_bytes = 64;
        limits.request_bytes = 256;
    };
    let stream = |bytes: usize| submit(1, &[3, 0].repeat(bytes / 8));
    let case = Case::hostile("submit_bytes", "56, 64 and 72 bytes")
        .given([create_context(1)])
        .send(stream(56), OK)
        .send(stream(64), OK)
        .send(stream(72), OOM)
        .send(stream(72).fenced(9), OOM)
        .send(stream(64).resized(32 + 200), OK);
    table("submit_bytes", change, vec![case])
}
