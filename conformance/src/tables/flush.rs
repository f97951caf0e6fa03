//! F: RESOURCE_FLUSH.

use gpu_buffer::Rect;

use super::scanout::{INSIDE, OUTSIDE};
use super::{Setting, drawn};
use crate::case::{BADPARAM, BADRES, Case, OK, OK_OR_BADPARAM, Step};
use crate::map::IMAGE;
use crate::message::{flush, set_scanout, transfer, unref, whole};
use crate::picture::{Picture, gradient};

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for id in [0, 9, u32::MAX] {
        cases.push(
            Case::hostile("F01", format!("resource {id}")).send(flush(id, whole(1, 1)), BADRES),
        );
    }
    for (why, rect) in OUTSIDE {
        cases.push(
            Case::hostile("F02", why)
                .with_screen(1, 32, 32)
                .send(flush(1, rect), BADPARAM)
                .shows(0, Some(drawn(32, 32))),
        );
    }
    for (why, rect) in INSIDE {
        cases.push(
            Case::legal("F02", why)
                .with_screen(1, 32, 32)
                .write(IMAGE, Picture::black(32, 32).bytes())
                .given([transfer(1, whole(32, 32), 0), flush(1, rect)])
                .shows(0, Some(black_where(rect))),
        );
    }
    for rect in [whole(0, 0), Rect::new(32, 32, 0, 0), Rect::new(0, 0, 32, 0)] {
        cases.push(
            Case::hostile("F03", format!("nothing: {rect:?}"))
                .with_screen(1, 32, 32)
                .send(flush(1, rect), OK_OR_BADPARAM),
        );
    }
    cases.extend([
        Case::hostile("F03", "nothing, outside")
            .with_screen(1, 32, 32)
            .send(flush(1, Rect::new(33, 0, 0, 0)), BADPARAM),
        Case::legal("F04", "a resource that is not shown")
            .with_image(1, 32, 32)
            .send(flush(1, whole(32, 32)), OK),
        Case::hostile("F05", "a display that stands still")
            .with_screen(1, 32, 32)
            .step(Step::Freeze)
            .repeat(setting.rounds, |round| {
                let rect = Rect::new(round % 32, (round / 32) % 32, 1, 1);
                vec![Step::send(flush(1, rect), OK)]
            })
            .write(IMAGE, Picture::black(32, 32).bytes())
            .given([transfer(1, whole(32, 32), 0), flush(1, whole(32, 32))])
            .step(Step::Thaw)
            .shows(0, Some(Picture::black(32, 32))),
        Case::legal("F07", "a scanout that shows a part of the resource")
            .with_image(1, 32, 32)
            .given([set_scanout(0, 1, Rect::new(8, 4, 16, 20))])
            .write(IMAGE, Picture::black(32, 32).bytes())
            .given([
                transfer(1, whole(32, 32), 0),
                flush(1, Rect::new(0, 0, 10, 10)),
                flush(1, Rect::new(23, 23, 9, 9)),
            ])
            .shows(
                0,
                Some(Picture::new(16, 20, |x, y| {
                    if x < 2 && y < 6 || x == 15 && y == 19 {
                        0
                    } else {
                        gradient(8 + x, 4 + y)
                    }
                })),
            ),
        Case::legal("F07", "a resource that another has replaced")
            .with_screen(1, 32, 32)
            .with_image(2, 32, 16)
            .given([
                set_scanout(1, 1, whole(32, 32)),
                set_scanout(0, 2, whole(32, 16)),
            ])
            .given([flush(1, whole(32, 32)), flush(2, whole(32, 16))])
            .write(IMAGE, Picture::black(32, 32).bytes())
            .given([transfer(1, whole(32, 32), 0), flush(1, whole(32, 32))])
            .shows(1, Some(Picture::black(32, 32)))
            .shows(0, Some(drawn(32, 16)))
            .given([unref(1)])
            .shows(0, Some(drawn(32, 16))),
    ]);
    cases
}

/// The gradient with a black rectangle.
fn black_where(rect: Rect) -> Picture {
    Picture::new(32, 32, |x, y| {
        if rect.contains(&Rect::new(x, y, 1, 1)) {
            0
        } else {
            gradient(x, y)
        }
    })
}
