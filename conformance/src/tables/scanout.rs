//! S: SET_SCANOUT.

use gpu_buffer::Rect;

use super::{Setting, drawn};
use crate::case::{BADPARAM, BADRES, BADSCAN, Case, OK, OOM_OR_BADPARAM, Step};
use crate::message::{create, flush, set_scanout, unref, whole};
use crate::picture::{Picture, gradient};

/// Rectangles that leave 32x32 pixels, or have none.
pub(super) const OUTSIDE: [(&str, Rect); 10] = [
    ("one pixel too wide", Rect::new(0, 0, 33, 32)),
    ("one pixel too high", Rect::new(0, 0, 32, 33)),
    ("one pixel to the right", Rect::new(1, 0, 32, 32)),
    ("one pixel down", Rect::new(0, 1, 32, 32)),
    ("the right edge wraps", Rect::new(u32::MAX, 0, 2, 16)),
    ("the lower edge wraps", Rect::new(0, u32::MAX, 16, 2)),
    (
        "the right edge is 2^32",
        Rect::new(0x8000_0000, 0, 0x8000_0000, 16),
    ),
    ("a quarter of 2^32 wide", Rect::new(0, 0, 0x4000_0000, 16)),
    (
        "just over a quarter of 2^32 wide",
        Rect::new(0, 0, 0x4000_0001, 16),
    ),
    ("all of 2^32", Rect::new(0, 0, u32::MAX, u32::MAX)),
];

/// Rectangles that touch the edges of 32x32 pixels.
pub(super) const INSIDE: [(&str, Rect); 4] = [
    ("all of it", Rect::new(0, 0, 32, 32)),
    ("the last column", Rect::new(31, 0, 1, 32)),
    ("the last row", Rect::new(0, 31, 32, 1)),
    ("the last pixel", Rect::new(31, 31, 1, 1)),
];

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for scanout in [setting.scanouts, 15, 16, 17, 31, 32, u32::MAX] {
        if scanout < setting.scanouts {
            continue;
        }
        cases.push(
            Case::hostile("S01", format!("scanout {scanout}"))
                .given([create(1, 32, 32)])
                .send(set_scanout(scanout, 1, whole(32, 32)), BADSCAN)
                .send(set_scanout(scanout, 0, whole(0, 0)), BADSCAN),
        );
    }
    let last = setting.scanouts - 1;
    cases.push(
        Case::legal("S01", format!("the last scanout, {last}"))
            .with_image(1, 32, 32)
            .given([set_scanout(last, 1, whole(32, 32)), flush(1, whole(32, 32))])
            .shows(last, Some(drawn(32, 32))),
    );
    cases.push(
        Case::hostile("S02", "an unknown resource")
            .send(set_scanout(0, 9, whole(32, 32)), BADRES)
            .send(set_scanout(0, u32::MAX, whole(32, 32)), BADRES),
    );
    cases.extend(rectangles());
    cases.extend(dark(setting));
    cases.extend(many(setting));
    cases
}

fn rectangles() -> Vec<Case> {
    let mut cases = Vec::new();
    for (why, rect) in OUTSIDE {
        let id = match why {
            why if why.contains("wraps") => "S04",
            why if why.contains("quarter") => "S09",
            _ => "S03",
        };
        cases.push(
            Case::hostile(id, why)
                .with_screen(1, 32, 32)
                .send(set_scanout(0, 1, rect), BADPARAM)
                .shows(0, Some(drawn(32, 32))),
        );
    }
    for (why, rect) in INSIDE {
        let id = if rect.width < 16 || rect.height < 16 {
            // QEMU refuses less than 16 pixels; the specification has no such limit.
            "S06"
        } else {
            "S03"
        };
        cases.push(
            Case::legal(id, why)
                .with_image(1, 32, 32)
                .given([set_scanout(0, 1, rect), flush(1, whole(32, 32))])
                .shows(0, Some(part(rect))),
        );
    }
    for (width, height) in [(0, 32), (32, 0), (0, 0)] {
        cases.push(
            Case::hostile("S05", format!("{width}x{height} of a resource"))
                .given([create(1, 32, 32)])
                .send(set_scanout(0, 1, whole(width, height)), BADPARAM),
        );
    }
    for side in [1, 2, 15, 16] {
        cases.push(
            Case::legal("S06", format!("{side}x{side}"))
                .with_image(1, 32, 32)
                .given([
                    set_scanout(0, 1, whole(side, side)),
                    flush(1, whole(32, 32)),
                ])
                .shows(0, Some(drawn(side, side))),
        );
    }
    cases
}

/// This part of the gradient.
fn part(rect: Rect) -> Picture {
    Picture::new(rect.width, rect.height, |x, y| {
        gradient(rect.x + x, rect.y + y)
    })
}

fn dark(setting: &Setting) -> Vec<Case> {
    let wild = Rect::new(u32::MAX, 7, u32::MAX, 0);
    let last = setting.scanouts - 1;
    vec![
        Case::legal("S07", "off, with a wild rectangle")
            .with_screen(1, 32, 32)
            .send(set_scanout(0, 0, wild), OK)
            .shows(0, None),
        Case::legal("S08", "off, twice")
            .send(set_scanout(last, 0, whole(0, 0)), OK)
            .send(set_scanout(last, 0, whole(32, 32)), OK)
            .shows(last, None),
        Case::legal("S10", "a resource without backing shows black")
            .given([
                create(1, 32, 32),
                set_scanout(0, 1, whole(32, 32)),
                flush(1, whole(32, 32)),
            ])
            .shows(0, Some(Picture::black(32, 32))),
    ]
}

fn many(setting: &Setting) -> Vec<Case> {
    let everywhere = || 0..setting.scanouts;
    let mirrored = Case::legal("S12", "one resource on every scanout, then gone")
        .with_image(1, 32, 32)
        .given(everywhere().map(|scanout| set_scanout(scanout, 1, whole(32, 32))))
        .given([flush(1, whole(32, 32))]);
    let mirrored = everywhere().fold(mirrored, |case, scanout| {
        case.shows(scanout, Some(drawn(32, 32)))
    });
    let mirrored = everywhere().fold(mirrored.send(unref(1), OK), |case, scanout| {
        case.shows(scanout, None)
    });
    vec![
        mirrored,
        Case::hostile("S13", "another size each time")
            .given([create(1, 64, 64)])
            .repeat(setting.rounds / 16, |round| {
                let rect = whole(1 + round % 61, 1 + round % 53);
                vec![
                    Step::send(set_scanout(0, 1, rect), OK),
                    Step::send(flush(1, whole(64, 64)), OK),
                ]
            }),
        Case::hostile("S14", "256 MiB on one scanout beside another")
            .given([create(1, 8192, 8192), set_scanout(0, 1, whole(32, 32))])
            .send(set_scanout(1, 1, whole(8192, 8192)), OOM_OR_BADPARAM)
            .shows(1, None)
            .send(set_scanout(1, 1, whole(8192, 1)), OK)
            .given([unref(1)]),
        Case::hostile("S14", "a resource larger than there is")
            .send(create(1, 16_384, 16_384), OOM_OR_BADPARAM)
            .send(set_scanout(0, 1, whole(16_384, 16_384)), BADRES),
    ]
}
