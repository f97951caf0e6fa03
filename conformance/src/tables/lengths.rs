//! H06 and H07: every command cut at every length, and with bytes behind its end.

use super::{Rendering, Setting, image};
use crate::case::{
    BADPARAM, CAPSET, CAPSET_INFO, Case, DISPLAY_INFO, EDID, Expect, OK, UNSPEC, UNSPEC_OR_BADPARAM,
};
use crate::map::IMAGE;
use crate::message::{
    Message, attach, capset, capset_info, create, detach, display_info, edid, flush, move_cursor,
    set_scanout, transfer, unref, update_cursor, whole,
};

/// Sizes of the requests without what may follow, VIRTIO 1.4 §5.7.6.8 to §5.7.6.10, of the
/// commands that a 2D device with EDID has.
const SIZES_2D: [(u32, usize); 13] = [
    (0x0100, 24),
    (0x0101, 40),
    (0x0102, 32),
    (0x0103, 48),
    (0x0104, 48),
    (0x0105, 56),
    (0x0106, 32),
    (0x0107, 32),
    (0x0108, 32),
    (0x0109, 32),
    (0x010a, 32),
    (0x0300, 56),
    (0x0301, 56),
];

/// The same of the commands that it has not.
const SIZES_OTHER: [(u32, usize); 13] = [
    (0x010b, 32),
    (0x010c, 56),
    (0x010d, 96),
    (0x0200, 96),
    (0x0201, 24),
    (0x0202, 32),
    (0x0203, 32),
    (0x0204, 72),
    (0x0205, 72),
    (0x0206, 72),
    (0x0207, 32),
    (0x0208, 40),
    (0x0209, 32),
];

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, size) in SIZES_2D {
        cases.extend(cut(kind, size, BADPARAM));
    }
    for (kind, size) in SIZES_OTHER {
        cases.extend(cut(kind, size, UNSPEC_OR_BADPARAM));
    }
    cases.extend(extended(setting));
    cases
}

/// One case of all lengths from a bare header to one byte too few. The bytes that are there name
/// resource 1 wherever an id is, so that a command which is carried out all the same shows.
fn cut(kind: u32, size: usize, expect: Expect) -> Option<Case> {
    let case = Case::hostile(
        "H06",
        format!("command {kind:#x} of fewer than {size} bytes"),
    )
    .given([create(1, 8, 8)]);
    (size > 24).then(|| {
        (24..size).fold(case, |case, length| {
            let mut words = vec![0; length];
            words[24..].iter_mut().step_by(4).for_each(|byte| *byte = 1);
            let mut message = Message::raw(words).patched(0, &kind.to_le_bytes()).room(64);
            if kind & 0xff00 == 0x0300 {
                message = message.on(virtio_gpu::QueueIndex::Cursor);
            }
            case.send(message, expect)
        })
    })
}

/// Every 2D command in its usual order, with more bytes than it needs.
fn extended(setting: &Setting) -> Vec<Case> {
    let (info, set) = match setting.rendering {
        Rendering::Nothing => (BADPARAM, BADPARAM),
        Rendering::Recording | Rendering::Virgl => (CAPSET_INFO, CAPSET),
    };
    let sequence = || {
        let screen = whole(8, 8);
        let [create, attach_backing, transfer_all] = image(1, 8, 8);
        let steps: Vec<(Message, Expect)> = vec![
            (display_info(), DISPLAY_INFO),
            (edid(0), EDID),
            (create, OK),
            (attach_backing, OK),
            (transfer_all, OK),
            (set_scanout(0, 1, screen), OK),
            (flush(1, screen), OK),
            (update_cursor(0, 1), OK),
            (move_cursor(0, 2, 2), OK),
            (capset_info(0), info),
            (capset(1, 0), set),
            (detach(1), OK),
            (transfer(1, screen, 0), UNSPEC),
            (attach(1, &[(IMAGE, 16), (IMAGE, 16)]), OK),
            (unref(1), OK),
        ];
        steps
    };
    [1, 4096, 1 << 20]
        .into_iter()
        .map(|extra| {
            let case = Case::legal("H07", format!("{extra} bytes behind each command"));
            sequence()
                .into_iter()
                .fold(case, |case, (message, expect)| {
                    let length = message.bytes.len() + extra;
                    case.send(message.resized(length), expect)
                })
        })
        .collect()
}
