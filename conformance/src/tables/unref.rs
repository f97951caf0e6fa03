//! U: RESOURCE_UNREF.

use super::{Setting, drawn, image};
use crate::case::{BADRES, Case, OK, Step};
use crate::map::IMAGE;
use crate::message::{attach, create, flush, set_scanout, transfer, unref, update_cursor, whole};

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for id in [0, 1, u32::MAX] {
        cases.push(Case::hostile("U01", format!("id {id}")).send(unref(id), BADRES));
    }
    cases.extend([
        Case::hostile("U01", "twice")
            .given([create(1, 4, 4), unref(1)])
            .send(unref(1), BADRES),
        Case::legal("U02", "with backing, over and over").repeat(setting.rounds / 8, |_| {
            [
                create(1, 64, 64),
                attach(1, &[(IMAGE, 4096), (IMAGE + 8192, 4096)]),
                unref(1),
            ]
            .map(|message| Step::send(message, OK))
            .into()
        }),
        Case::legal("U03", "of what a scanout shows")
            .with_screen(1, 16, 16)
            .send(unref(1), OK)
            .shows(0, None)
            .send(flush(1, whole(16, 16)), BADRES),
        Case::legal("U03", "of what a scanout showed before")
            .with_screen(1, 16, 16)
            .with_image(2, 16, 16)
            .given([
                set_scanout(0, 0, whole(0, 0)),
                set_scanout(0, 2, whole(16, 16)),
                unref(1),
            ])
            .shows(0, Some(drawn(16, 16))),
        Case::legal("U04", "of what was the cursor before")
            .with_screen(1, 64, 64)
            .given([create(2, 64, 64), create(3, 64, 64)])
            .given([
                update_cursor(0, 2),
                update_cursor(0, 0),
                update_cursor(0, 3),
            ])
            .given([unref(2)])
            .cursor(0, Some((64, 64))),
        Case::legal("U04", "of what is the cursor")
            .with_screen(1, 64, 64)
            .given([create(2, 64, 64), update_cursor(0, 2)])
            .cursor(0, Some((64, 64)))
            .send(unref(2), OK)
            .cursor(0, None)
            .shows(0, Some(drawn(64, 64))),
        Case::legal("U04", "of what is both")
            .with_screen(1, 64, 64)
            .given([update_cursor(0, 1)])
            .cursor(0, Some((64, 64)))
            .send(unref(1), OK)
            .cursor(0, None)
            .shows(0, None),
        Case::legal("U08", "of what the display has not taken yet")
            .with_screen(1, 16, 16)
            .step(Step::Freeze)
            .given([flush(1, whole(16, 16)), unref(1)])
            .step(Step::Thaw)
            .shows(0, None),
        Case::legal("U10", "of all that a frame takes, over and over").repeat(
            setting.rounds / 16,
            |_| {
                let [create, attach, transfer] = image(1, 16, 16);
                [
                    create,
                    attach,
                    transfer,
                    set_scanout(0, 1, whole(16, 16)),
                    flush(1, whole(16, 16)),
                    update_cursor(0, 1),
                    unref(1),
                ]
                .map(|message| Step::send(message, OK))
                .into()
            },
        ),
        Case::legal("U10", "an id used again has nothing of the one before")
            .with_screen(1, 16, 16)
            .given([unref(1), create(1, 8, 8)])
            .send(transfer(1, whole(8, 8), 0), crate::case::UNSPEC)
            .shows(0, None),
    ]);
    cases
}
