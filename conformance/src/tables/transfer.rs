//! T: TRANSFER_TO_HOST_2D.

use gpu_buffer::Rect;

use super::scanout::{INSIDE, OUTSIDE};
use super::{Setting, drawn, image};
use crate::case::{BADPARAM, BADRES, Case, OK, Step, UNSPEC};
use crate::map::{BORDER, IMAGE};
use crate::message::{attach, create, flush, set_scanout, transfer, whole};
use crate::picture::{Picture, gradient};

/// Half of a picture that lies over two regions; what is next to their border is watched.
const SPREAD: u64 = 0x2_0000;

/// Bytes of 32x32 pixels.
const BYTES: u32 = 32 * 32 * 4;

pub(super) fn cases(_: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for id in [0, 9, u32::MAX] {
        cases.push(
            Case::hostile("T01", format!("resource {id}"))
                .send(transfer(id, whole(1, 1), 0), BADRES),
        );
    }
    cases.push(
        Case::hostile("T02", "no backing")
            .given([create(1, 32, 32)])
            .send(transfer(1, whole(32, 32), 0), UNSPEC),
    );
    for (why, rect) in OUTSIDE {
        cases.push(
            Case::hostile("T03", why)
                .with_screen(1, 32, 32)
                .send(transfer(1, rect, 0), BADPARAM),
        );
    }
    cases.extend(offsets());
    cases.extend(partial());
    cases.extend(scattered());
    cases.push(
        Case::hostile("T12", "the picture changes while it is copied")
            .given(image(1, 256, 256))
            .step(Step::Beside {
                writes: vec![
                    (IMAGE, vec![0x11; 256 * 256 * 4]),
                    (IMAGE, vec![0xee; 256 * 256 * 4]),
                ],
                times: 50,
                steps: vec![Step::send(transfer(1, whole(256, 256), 0), OK)],
            }),
    );
    let mebibytes_64: Vec<_> = (0..4).map(|_| (BORDER, 16 << 20)).collect();
    cases.push(
        Case::hostile("T14", "256 MiB in four transfers")
            .given([create(1, 4096, 4096), attach(1, &mebibytes_64)])
            .given((0..4).map(|_| transfer(1, whole(4096, 4096), 0))),
    );
    cases
}

fn offsets() -> Vec<Case> {
    let mut cases = Vec::new();
    let end = u64::from(BYTES);
    for offset in [
        1,
        4,
        end - 1,
        end,
        end + 1,
        1 << 32,
        1 << 63,
        u64::MAX - 3,
        u64::MAX,
    ] {
        let id = if offset > 1 << 62 { "T05" } else { "T04" };
        cases.push(
            Case::hostile(id, format!("offset {offset:#x}"))
                .with_screen(1, 32, 32)
                .send(transfer(1, whole(32, 32), offset), BADPARAM),
        );
    }
    cases.push(
        Case::hostile("T04", "the last pixel, one byte too far")
            .with_screen(1, 32, 32)
            .send(transfer(1, Rect::new(31, 31, 1, 1), end - 3), BADPARAM)
            .send(transfer(1, Rect::new(31, 31, 1, 1), end - 4), OK),
    );
    cases.push(
        Case::hostile("T06", "a backing one byte too short")
            .given([create(1, 32, 32), attach(1, &[(IMAGE, BYTES - 1)])])
            .send(transfer(1, whole(32, 32), 0), BADPARAM)
            .send(transfer(1, whole(31, 32), 0), OK),
    );
    cases
}

fn partial() -> Vec<Case> {
    let mut cases = Vec::new();
    for (why, rect) in INSIDE {
        cases.push(
            Case::legal("T08", why)
                .with_screen(1, 32, 32)
                .write(IMAGE, Picture::new(32, 32, |x, y| !gradient(x, y)).bytes())
                .given([
                    transfer(1, rect, u64::from(rect.y * 32 + rect.x) * 4),
                    flush(1, whole(32, 32)),
                ])
                .shows(
                    0,
                    Some(Picture::new(32, 32, |x, y| {
                        if rect.contains(&Rect::new(x, y, 1, 1)) {
                            !gradient(x, y) & 0x00ff_ffff
                        } else {
                            gradient(x, y)
                        }
                    })),
                ),
        );
    }
    for rect in [whole(0, 0), whole(32, 0), Rect::new(32, 32, 0, 0)] {
        cases.push(
            Case::legal("T07", format!("nothing: {rect:?}"))
                .with_screen(1, 32, 32)
                .send(transfer(1, rect, u64::MAX), OK),
        );
    }
    cases
}

fn scattered() -> Vec<Case> {
    let single_bytes: Vec<_> = (0..16_384).map(|at| (IMAGE + 2 * at, 1)).collect();
    let spread: Vec<u8> = drawn(64, 64)
        .bytes()
        .into_iter()
        .flat_map(|byte| [byte, 0x77])
        .collect();
    let row = drawn(32, 1);
    vec![
        Case::legal("T09", "16,384 entries of one byte")
            .write(IMAGE, spread)
            .given([create(1, 64, 64), attach(1, &single_bytes)])
            .given([
                transfer(1, whole(64, 64), 0),
                set_scanout(0, 1, whole(64, 64)),
                flush(1, whole(64, 64)),
            ])
            .shows(0, Some(drawn(64, 64))),
        Case::legal("T10", "the same entry for every row")
            .write(IMAGE, row.bytes())
            .given([create(1, 32, 32), attach(1, &[(IMAGE, 128); 32])])
            .given([
                transfer(1, whole(32, 32), 0),
                set_scanout(0, 1, whole(32, 32)),
                flush(1, whole(32, 32)),
            ])
            .shows(0, Some(Picture::new(32, 32, |x, _| gradient(x, 0)))),
        Case::hostile("T11", "the backing is the ring, the request and the answer")
            .given([
                create(1, 256, 256),
                attach(
                    1,
                    &[
                        (0x1_0000, 0x2_0000),
                        (crate::map::REQUEST, 0x1_0000),
                        (crate::map::ANSWER, 0x1_0000),
                    ],
                ),
            ])
            .send(transfer(1, whole(256, 256), 0), OK),
        Case::legal("T09", "an entry over two regions")
            .write(BORDER - SPREAD, drawn(256, 256).bytes())
            .given([
                create(1, 256, 256),
                attach(1, &[(BORDER - SPREAD, 256 * 256 * 4)]),
            ])
            .given([
                transfer(1, Rect::new(0, 0, 256, 100), 0),
                transfer(1, Rect::new(0, 156, 256, 100), 156 * 1024),
                set_scanout(0, 1, whole(256, 256)),
                flush(1, whole(256, 256)),
            ])
            .shows(
                0,
                Some(Picture::new(256, 256, |x, y| match y {
                    100..156 => 0,
                    _ => gradient(x, y),
                })),
            ),
    ]
}
