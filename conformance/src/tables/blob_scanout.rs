//! B: blobs of the guest's memory on scanouts and as cursors.

use super::scanout::{INSIDE, OUTSIDE};
use super::{Setting, drawn};
use crate::case::{BADPARAM, BADRES, BADSCAN, Case, OK, Step, UNSPEC_OR_BADPARAM};
use crate::map::{IMAGE, PLUGGED};
use crate::message::{
    Message, attach, create, detach, flush, set_scanout, unref, update_cursor, whole,
};
use crate::message_blob::{create_blob, scanout_blob, set_scanout_blob};
use crate::picture::{Picture, gradient};

/// Bytes of a picture of 32x32 pixels.
const BYTES: u32 = 32 * 32 * 4;

impl Case {
    /// The gradient is in a blob of 32x32 pixels.
    fn with_blob(self, id: u32) -> Self {
        self.write(IMAGE, drawn(32, 32).bytes()).given([create_blob(
            id,
            BYTES.into(),
            &[(IMAGE, BYTES)],
        )])
    }

    /// The gradient is in a blob of 32x32 pixels, on scanout 0.
    fn with_shown_blob(self, id: u32) -> Self {
        self.with_blob(id)
            .given([set_scanout_blob(0, id, 32, 32), flush(id, whole(32, 32))])
            .shows(0, Some(drawn(32, 32)))
    }
}

/// SET_SCANOUT_BLOB of 32x32 pixels with other bytes from `place` on.
fn changed(place: usize, numbers: &[u32]) -> Message {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    set_scanout_blob(0, 1, 32, 32).patched(place, &bytes)
}

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = refused(setting);
    cases.extend(rectangles());
    cases.extend(layouts());
    cases.extend(memory());
    cases.extend(cursors());
    cases
}

fn refused(setting: &Setting) -> Vec<Case> {
    let mut cases = vec![
        Case::hostile("B18", "unknown, and not a blob")
            .given([create(2, 32, 32)])
            .send(set_scanout_blob(0, 9, 32, 32), BADRES)
            .send(set_scanout_blob(0, 2, 32, 32), BADPARAM)
            .shows(0, None),
        Case::hostile("S11", "a blob by SET_SCANOUT")
            .with_blob(1)
            .send(set_scanout(0, 1, whole(32, 32)), UNSPEC_OR_BADPARAM)
            .shows(0, None),
        Case::legal("B18", "resource 0 with wild numbers")
            .with_shown_blob(1)
            .given([changed(24, &[u32::MAX; 4])
                .patched(44, &[0; 4])
                .patched(56, &[0xff; 4])])
            .shows(0, None),
    ];
    for scanout in [setting.scanouts, 16, 31, 32, u32::MAX] {
        cases.push(
            Case::hostile("B18", format!("scanout {scanout}"))
                .with_blob(1)
                .send(set_scanout_blob(scanout, 1, 32, 32), BADSCAN),
        );
    }
    for format in [0_u32, 5, 66, 69, 120, 122, 133, 135, u32::MAX] {
        cases.push(
            Case::hostile("B19", format!("format {format}"))
                .with_blob(1)
                .send(changed(scanout_blob::FORMAT, &[format]), BADPARAM),
        );
    }
    for format in [1_u32, 2, 3, 4, 67, 68, 121, 134] {
        cases.push(
            Case::legal("B19", format!("format {format}"))
                .with_blob(1)
                .given([changed(scanout_blob::FORMAT, &[format])]),
        );
    }
    cases
}

fn rectangles() -> Vec<Case> {
    let rect = |rect: gpu_buffer::Rect| {
        changed(
            scanout_blob::RECT,
            &[rect.x, rect.y, rect.width, rect.height],
        )
    };
    let mut cases = Vec::new();
    for (why, outside) in OUTSIDE {
        cases.push(
            Case::hostile("B22", why)
                .with_shown_blob(1)
                .send(rect(outside), BADPARAM)
                .shows(0, Some(drawn(32, 32))),
        );
        cases.push(
            Case::hostile("F06", format!("a flush of a rectangle, {why}"))
                .with_shown_blob(1)
                .send(flush(1, outside), crate::case::OK_OR_BADPARAM)
                .shows(0, Some(drawn(32, 32))),
        );
    }
    for (why, inside) in INSIDE {
        let shown = Picture::new(inside.width, inside.height, |x, y| {
            gradient(x + inside.x, y + inside.y)
        });
        cases.push(
            Case::legal("B22", why)
                .with_blob(1)
                .given([rect(inside), flush(1, inside)])
                .shows(0, Some(shown)),
        );
    }
    for (place, number) in [
        (scanout_blob::WIDTH, 0),
        (scanout_blob::HEIGHT, 0),
        (scanout_blob::WIDTH, u32::MAX),
        (scanout_blob::HEIGHT, u32::MAX),
        (scanout_blob::WIDTH, 33),
        (scanout_blob::HEIGHT, 33),
    ] {
        cases.push(
            Case::hostile("B22", format!("{number} at byte {place}"))
                .with_shown_blob(1)
                .send(changed(place, &[number]), BADPARAM)
                .shows(0, Some(drawn(32, 32))),
        );
    }
    cases
}

fn layouts() -> Vec<Case> {
    let mut cases = Vec::new();
    for stride in [0, 1, 127, 129, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        cases.push(
            Case::hostile("B20", format!("rows {stride} bytes apart"))
                .with_shown_blob(1)
                .send(changed(scanout_blob::STRIDES, &[stride]), BADPARAM)
                .shows(0, Some(drawn(32, 32))),
        );
    }
    for offset in [1, 4, BYTES, BYTES + 1, 0xffff_f000, u32::MAX] {
        cases.push(
            Case::hostile("B21", format!("from byte {offset} on"))
                .with_shown_blob(1)
                .send(changed(scanout_blob::OFFSETS, &[offset]), BADPARAM)
                .shows(0, Some(drawn(32, 32))),
        );
    }
    let below = Picture::new(32, 24, |x, y| gradient(x, y + 8));
    cases.push(
        Case::legal("B21", "up to the last byte")
            .with_blob(1)
            .given([
                changed(scanout_blob::OFFSETS, &[8 * 128])
                    .patched(scanout_blob::HEIGHT, &24_u32.to_le_bytes())
                    .patched(scanout_blob::RECT + 12, &24_u32.to_le_bytes()),
                flush(1, whole(32, 24)),
            ])
            .shows(0, Some(below)),
    );
    cases.push(
        Case::legal("B23", "planes that the format does not have")
            .with_blob(1)
            .given([
                changed(scanout_blob::STRIDES + 4, &[u32::MAX, 1, 0])
                    .patched(scanout_blob::OFFSETS + 4, &[0xff; 12]),
                flush(1, whole(32, 32)),
            ])
            .shows(0, Some(drawn(32, 32))),
    );
    cases
}

fn memory() -> Vec<Case> {
    let other = Picture::new(32, 32, |_, _| 0x55_6677);
    let plugged = |id| create_blob(id, BYTES.into(), &[(PLUGGED, BYTES)]);
    vec![
        Case::hostile("B25", "unref while it is shown, then a flush")
            .with_shown_blob(1)
            .given([unref(1)])
            .shows(0, None)
            .send(flush(1, whole(32, 32)), BADRES),
        Case::legal("B25", "the id again, as a picture")
            .with_shown_blob(1)
            .given([unref(1), create(1, 32, 32)])
            .send(set_scanout_blob(0, 1, 32, 32), BADPARAM)
            .given([set_scanout(0, 1, whole(32, 32))]),
        Case::legal("B12", "other memory while it is shown")
            .with_shown_blob(1)
            .write(IMAGE + 0x10_0000, other.bytes())
            .given([detach(1), flush(1, whole(32, 32))])
            .shows(0, Some(drawn(32, 32)))
            .given([attach(1, &[(IMAGE + 0x10_0000, BYTES)])])
            .given([flush(1, whole(32, 32))])
            .shows(0, Some(other)),
        Case::hostile("B25", "the region behind it is unplugged")
            .write(PLUGGED, drawn(32, 32).bytes())
            .given([plugged(1), set_scanout_blob(0, 1, 32, 32)])
            .given([flush(1, whole(32, 32))])
            .step(Step::Unplug)
            .send(flush(1, whole(32, 32)), OK)
            .shows(0, Some(drawn(32, 32)))
            .send(plugged(2), crate::case::UNSPEC),
        Case::hostile("F06", "less memory than the picture")
            .given([create_blob(1, 16, &[(IMAGE, BYTES)])])
            .send(set_scanout_blob(0, 1, 32, 32), BADPARAM)
            .send(flush(1, whole(32, 32)), OK)
            .shows(0, None),
        Case::hostile("B25", "the processor writes while it is copied")
            .with_blob(1)
            .given([set_scanout_blob(0, 1, 32, 32)])
            .step(Step::Beside {
                writes: vec![(IMAGE, vec![0x11; 4096]), (IMAGE, vec![0x22; 4096])],
                times: 50,
                steps: vec![Step::send(flush(1, whole(32, 32)), OK)],
            }),
        Case::hostile("B25", "a display that takes nothing")
            .with_shown_blob(1)
            .step(Step::Freeze)
            .repeat(200, |_| vec![Step::send(flush(1, whole(32, 32)), OK)])
            .step(Step::Thaw)
            .shows(0, Some(drawn(32, 32))),
    ]
}

fn cursors() -> Vec<Case> {
    let cursor = |id, bytes: u32| create_blob(id, bytes.into(), &[(IMAGE, 0x1_0000)]);
    vec![
        Case::legal("B08", "a cursor of 64x64 pixels")
            .with_shown_blob(1)
            .given([cursor(2, 16_384), update_cursor(0, 2)])
            .cursor(0, Some((64, 64)))
            .given([unref(2)])
            .cursor(0, None),
        Case::hostile("B08", "a cursor with a byte too few")
            .with_shown_blob(1)
            .given([cursor(2, 16_383)])
            .send(update_cursor(0, 2), BADPARAM)
            .cursor(0, None),
    ]
}
