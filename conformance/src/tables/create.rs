//! C: RESOURCE_CREATE_2D.

use super::{Setting, drawn};
use crate::case::{BADPARAM, BADRES, Case, OK, OOM, OOM_OR_BADPARAM, Step};
use crate::map::IMAGE;
use crate::message::{create, create_format, flush, set_scanout, unref, whole};
use crate::picture::Picture;

/// Resources that a device grants.
const RESOURCES: u32 = 16_384;

pub(super) fn cases(_: &Setting) -> Vec<Case> {
    let mut cases = vec![
        Case::hostile("C01", "id 0").send(create(0, 4, 4), BADRES),
        Case::hostile("C02", "an id in use")
            .with_screen(1, 16, 16)
            .send(create(1, 4, 4), BADRES)
            .send(flush(1, whole(16, 16)), OK)
            .shows(0, Some(drawn(16, 16))),
    ];
    for format in [0, 5, 66, 69, 120, 122, 133, 135, u32::MAX] {
        cases.push(
            Case::hostile("C03", format!("format {format}"))
                .send(create_format(1, format, 4, 4), BADPARAM),
        );
    }
    for format in [1, 2, 3, 4, 67, 68, 121, 134] {
        cases.push(
            Case::legal("C03", format!("format {format}")).send(create_format(1, format, 4, 4), OK),
        );
    }
    cases.extend(sizes());
    cases.extend(budgets());
    cases.push(
        Case::legal("C13", "a fresh resource is black")
            .with_image(1, 16, 16)
            .given([
                unref(1),
                create(1, 16, 16),
                set_scanout(0, 1, whole(16, 16)),
                flush(1, whole(16, 16)),
            ])
            .shows(0, Some(Picture::black(16, 16))),
    );
    for width in [1, 3, 17, 255, 8191] {
        cases.push(Case::legal("C15", format!("{width} pixels wide")).with_screen(1, width, 3));
    }
    cases.push(Case::legal("C15", "16,384 pixels wide").with_screen(1, 16_384, 1));
    cases.push(Case::legal("C15", "16,384 pixels high").with_screen(1, 1, 16_384));
    cases
}

fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    let hostile = [
        ("C04", 0, 4),
        ("C04", 4, 0),
        ("C04", 0, 0),
        ("C05", 0x4000_0001, 128),
        ("C06", u32::MAX, u32::MAX),
        ("C07", 0x8000, 0x8000),
        ("C07", 0x1_0000, 0x1_0000),
        ("C07", 0x3fff_ffff, 4),
        ("C07", 0x4000_0000, 4),
        ("C08", 1, u32::MAX),
        ("C08", 0x3fff_ffff, 1),
        ("C08", 16_385, 1),
        ("C08", 1, 16_385),
        ("C08", 16_384, 16_384),
    ];
    for (id, width, height) in hostile {
        cases.push(
            Case::hostile(id, format!("{width}x{height}"))
                .send(create(1, width, height), OOM_OR_BADPARAM),
        );
    }
    for (width, height) in [(1, 1), (16_384, 1), (1, 16_384)] {
        cases.push(
            Case::legal("C08", format!("{width}x{height}")).send(create(1, width, height), OK),
        );
    }
    cases
}

/// 256 MiB of pixels and 16,384 resources are granted: one less, all, and one more.
fn budgets() -> Vec<Case> {
    vec![
        Case::legal("C09", "256 MiB in one resource")
            .send(create(1, 8192, 8192), OK)
            .send(create(2, 1, 1), OOM)
            .send(unref(1), OK),
        Case::hostile("C09", "256 MiB and one row").send(create(1, 8192, 8193), OOM),
        Case::hostile("C09", "a page less than 256 MiB, all of it, a pixel more")
            .send(create(1, 8192, 8191), OK)
            .send(create(2, 1024, 7), OK)
            .send(create(3, 1024, 1), OK)
            .send(create(4, 1, 1), OOM)
            .send(unref(1), OK),
        Case::hostile("C10", "16,384 resources and one more")
            .repeat(RESOURCES, |round| {
                vec![Step::send(create(round + 1, 1, 1), OK)]
            })
            .send(create(RESOURCES + 1, 1, 1), OOM)
            .send(unref(RESOURCES), OK)
            .send(create(RESOURCES, 1, 1), OK)
            .write(IMAGE, drawn(1, 1).bytes())
            .given([set_scanout(0, 1, whole(1, 1)), flush(1, whole(1, 1))])
            .shows(0, Some(Picture::black(1, 1)))
            .send(unref(1), OK),
        Case::hostile("C11", "four of 64 MiB and one more")
            .send(create(1, 4096, 4096), OK)
            .send(create(2, 4096, 4096), OK)
            .send(create(3, 4096, 4096), OK)
            .send(create(4, 4096, 4096), OK)
            .send(create(5, 4096, 4096), OOM)
            .send(unref(2), OK)
            .send(create(5, 4096, 4096), OK)
            .send(unref(1), OK),
    ]
}
