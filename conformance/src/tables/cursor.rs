//! P: the cursor queue.

use super::{Setting, drawn};
use crate::case::{BADPARAM, BADRES, BADSCAN, Case, OK, SILENT, Step};
use crate::in_process::FEATURES;
use crate::message::{
    create, flush, move_cursor, set_scanout, unref, update_cursor, update_hotspot, whole,
};

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = vec![
        visible("P01", "an unknown resource")
            .send(update_cursor(0, 9), BADRES)
            .send(update_cursor(0, u32::MAX), BADRES)
            .cursor(0, Some((64, 64))),
        visible("P02", "hidden by resource 0")
            .send(update_cursor(0, 0), OK)
            .cursor(0, None)
            .send(update_cursor(0, 0), OK)
            .cursor(0, None),
    ];
    cases.extend(sizes());
    cases.extend(places(setting));
    cases.extend([
        visible("P07", "a move with a wild resource and hot spot")
            .send(move_cursor(0, 5, 5).patched(40, &[0xff; 12]), OK)
            .cursor(0, Some((64, 64))),
        Case::legal("P08", "a move before any image, over a dark scanout")
            .send(move_cursor(0, 5, 5), OK)
            .send(move_cursor(setting.scanouts - 1, 5, 5), OK)
            .cursor(0, None),
        Case::legal("P09", "an image without backing")
            .with_screen(1, 64, 64)
            .given([create(2, 64, 64)])
            .send(update_cursor(0, 2), OK)
            .cursor(0, Some((64, 64))),
        visible("P10", "no room for an answer, as Linux sends it")
            .send(move_cursor(0, 3, 3).room(0), SILENT)
            .send(update_cursor(0, 0).room(0), SILENT)
            .cursor(0, None),
        visible("P10", "too little room for an answer").send(move_cursor(0, 3, 3).room(23), SILENT),
        Case::legal("P11", "a new image each time")
            .with_screen(1, 64, 64)
            .repeat(setting.rounds / 8, |round| {
                let id = 2 + round % 2;
                [create(id, 64, 64), update_cursor(0, id), unref(id)]
                    .map(|message| Step::send(message, OK))
                    .into()
            })
            .cursor(0, None),
    ]);
    cases.extend(lifetimes());
    cases
}

/// A cursor of 64x64 pixels over scanout 0.
fn visible(id: &'static str, why: &str) -> Case {
    Case::hostile(id, why)
        .with_screen(1, 64, 64)
        .given([create(2, 64, 64), update_cursor(0, 2)])
        .cursor(0, Some((64, 64)))
}

/// The specification says 64x64 pixels; hardware planes end at 256, and guests use them.
fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (width, height) in [(1, 1), (63, 64), (65, 65), (255, 255), (256, 256), (1, 256)] {
        cases.push(
            Case::legal("P03", format!("an image of {width}x{height}"))
                .with_screen(1, 64, 64)
                .given([create(2, width, height)])
                .send(update_cursor(0, 2), OK)
                .cursor(0, Some((width, height))),
        );
    }
    for (width, height) in [(257, 256), (256, 257), (4096, 4096), (1, 16_384)] {
        cases.push(
            visible("P03", &format!("an image of {width}x{height}"))
                .given([create(3, width, height)])
                .send(update_cursor(0, 3), BADPARAM)
                .cursor(0, Some((64, 64))),
        );
    }
    cases
}

fn places(setting: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for hot in [63, 64, 0x8000_0000, u32::MAX] {
        cases.push(
            visible("P04", &format!("hot spot {hot}"))
                .send(update_hotspot(0, 2, hot, hot), OK)
                .send(move_cursor(0, i32::MIN, i32::MAX), OK)
                .cursor(0, Some((64, 64))),
        );
    }
    for scanout in [setting.scanouts, 16, 32, u32::MAX] {
        cases.push(
            visible("P05", &format!("scanout {scanout}"))
                .send(move_cursor(scanout, 0, 0), BADSCAN)
                .send(update_cursor(scanout, 2), BADSCAN)
                .send(update_cursor(scanout, 0), BADSCAN)
                .cursor(0, Some((64, 64))),
        );
    }
    for place in [-1, i32::MIN, i32::MAX, -64, 64] {
        cases.push(
            visible("P06", &format!("at {place}"))
                .send(move_cursor(0, place, 0), OK)
                .send(move_cursor(0, 0, place), OK)
                .send(move_cursor(0, place, place), OK)
                .cursor(0, Some((64, 64)))
                .shows(0, Some(drawn(64, 64))),
        );
    }
    cases
}

fn lifetimes() -> Vec<Case> {
    let dark = set_scanout(0, 0, whole(0, 0));
    let lit = || [set_scanout(0, 1, whole(64, 64)), flush(1, whole(64, 64))];
    vec![
        visible("P12", "the scanout goes dark and comes back")
            .given([dark.clone(), move_cursor(0, 7, 7)])
            .cursor(0, None)
            .given(lit())
            .cursor(0, Some((64, 64))),
        visible("P12", "the image changes while the scanout is dark")
            .given([dark.clone(), create(3, 32, 32), update_cursor(0, 3)])
            .given(lit())
            .cursor(0, Some((32, 32))),
        visible("P12", "the image goes while the scanout is dark")
            .given([dark, unref(2)])
            .given(lit())
            .cursor(0, None),
        visible("P12", "a reset between")
            .step(Step::Reset { features: FEATURES })
            .send(move_cursor(0, 1, 1), OK)
            .send(update_cursor(0, 2), BADRES)
            .cursor(0, None),
    ]
}
