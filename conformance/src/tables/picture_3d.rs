//! S, F and P: scanouts and cursors of what the renderer has.

use gpu_buffer::Rect;

use super::{Setting, drawn};
use crate::case::{BADPARAM, Case, OK, Step, UNSPEC_OR_BADPARAM};
use crate::map::IMAGE;
use crate::message::{attach, flush, set_scanout, unref, update_cursor, whole};
use crate::message_3d::{all_of, buffer, create_3d, create_context, texture, to_host};
use crate::picture::{Picture, gradient};

use super::scanout::OUTSIDE;

impl Case {
    /// The gradient is in a texture of this size.
    fn with_texture_of(self, id: u32, width: u32, height: u32) -> Self {
        self.write(IMAGE, drawn(width, height).bytes()).given([
            create_3d(texture(id, width, height)),
            attach(id, &[(IMAGE, width * height * 4)]),
            to_host(0, all_of(id, width, height)),
        ])
    }
}

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let all = whole(32, 32);
    let mut cases = vec![
        Case::legal("S16", "what a driver says before it has anything to show")
            .given([set_scanout(0, 0, whole(0, 0)), create_context(1)])
            .given([set_scanout(0, 0, whole(0, 0))])
            .with_texture_of(1, 32, 32)
            .given([set_scanout(0, 1, all), flush(1, all)])
            .shows(0, Some(drawn(32, 32)))
            .given([set_scanout(0, 0, whole(1024, 768))])
            .shows(0, None),
        Case::legal("S03", "a part of a texture")
            .with_texture_of(1, 32, 32)
            .given([set_scanout(0, 1, Rect::new(9, 20, 17, 11)), flush(1, all)])
            .shows(
                0,
                Some(Picture::new(17, 11, |x, y| gradient(x + 9, y + 20))),
            ),
        Case::legal("C15", "odd sizes")
            .with_texture_of(1, 1, 1)
            .given([set_scanout(0, 1, whole(1, 1)), flush(1, whole(1, 1))])
            .shows(0, Some(drawn(1, 1)))
            .with_texture_of(2, 17, 3)
            .given([set_scanout(0, 2, whole(17, 3)), flush(2, whole(17, 3))])
            .shows(0, Some(drawn(17, 3)))
            .with_texture_of(3, 333, 77)
            .given([set_scanout(0, 3, whole(333, 77)), flush(3, whole(333, 77))])
            .shows(0, Some(drawn(333, 77))),
        Case::legal("F07", "what is drawn later is shown when it is flushed")
            .with_texture_of(1, 32, 32)
            .given([set_scanout(0, 1, all), flush(1, all)])
            .shows(0, Some(drawn(32, 32)))
            .write(IMAGE, Picture::new(32, 32, |x, y| x * 5 + y).bytes())
            .given([to_host(0, all_of(1, 32, 32)), flush(1, all)])
            .shows(0, Some(Picture::new(32, 32, |x, y| x * 5 + y))),
        Case::legal("F07", "two textures take turns")
            .with_texture_of(1, 32, 32)
            .given([create_3d(texture(2, 32, 32))])
            .repeat(setting.rounds / 20, |round| {
                let id = 1 + round % 2;
                [set_scanout(0, id, whole(32, 32)), flush(id, whole(32, 32))]
                    .map(|message| Step::send(message, OK))
                    .into()
            })
            .given([set_scanout(0, 1, all), flush(1, all)])
            .shows(0, Some(drawn(32, 32)))
            .given([unref(1)])
            .shows(0, None),
        Case::legal("S12", "a texture on every scanout")
            .with_texture_of(1, 32, 32)
            .given((0..setting.scanouts).map(|scanout| set_scanout(scanout, 1, all)))
            .given([flush(1, all)])
            .shows(0, Some(drawn(32, 32)))
            .shows(setting.scanouts - 1, Some(drawn(32, 32)))
            .given([unref(1)])
            .shows(0, None)
            .shows(setting.scanouts - 1, None),
        Case::legal("S13", "ever new sizes")
            .with_texture_of(1, 64, 64)
            .repeat(setting.rounds / 10, |round| {
                let size = whole(1 + round * 7 % 64, 1 + round * 5 % 64);
                [set_scanout(0, 1, size), flush(1, size)]
                    .map(|message| Step::send(message, OK))
                    .into()
            }),
        Case::legal("F05", "flushed while the display stands still")
            .with_texture_of(1, 32, 32)
            .given([set_scanout(0, 1, all)])
            .step(Step::Freeze)
            .repeat(setting.rounds / 10, |round| {
                let part = Rect::new(round % 32, round % 32, 1, 1);
                vec![Step::send(flush(1, part), OK)]
            })
            .given([flush(1, all)])
            .step(Step::Thaw)
            .shows(0, Some(drawn(32, 32))),
        Case::legal("P09", "a texture as a cursor")
            .with_screen(1, 64, 64)
            .with_texture_of(2, 64, 64)
            .given([update_cursor(0, 2)])
            .cursor(0, Some((64, 64)))
            .given([unref(2)])
            .cursor(0, None),
        Case::hostile("P09", "a buffer as a cursor")
            .with_screen(1, 64, 64)
            .given([create_3d(buffer(2, 64))])
            .send(update_cursor(0, 2), UNSPEC_OR_BADPARAM)
            .cursor(0, None),
    ];
    for (why, rect) in OUTSIDE {
        cases.push(
            Case::hostile("S03", format!("of a texture, {why}"))
                .given([create_3d(texture(1, 32, 32))])
                .send(set_scanout(0, 1, rect), BADPARAM)
                .send(flush(1, rect), BADPARAM)
                .shows(0, None),
        );
    }
    cases
}
