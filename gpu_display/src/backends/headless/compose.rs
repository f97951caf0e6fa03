//! What a monitor would show: a scanout with its cursors over it.

use gpu_buffer::Rect;

use super::Picture;
use crate::Position;

/// A cursor to draw.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) image: &'a Picture,
    pub(super) position: Position,
}

impl Cursor<'_> {
    /// Which pixels of `area` the cursor covers, and which pixels of its image they are. Both
    /// rectangles have the same size, which may be empty.
    pub(super) fn covers(&self, area: &Rect) -> Option<(Rect, Rect)> {
        let Position { x, y } = self.position;
        let across = overlap(x.into(), self.image.width, area.x, area.right())?;
        let down = overlap(y.into(), self.image.height, area.y, area.bottom())?;
        Some((
            Rect::new(across.area, down.area, across.length, down.length),
            Rect::new(across.image, down.image, across.length, down.length),
        ))
    }
}

/// Draws `scanout` and then `cursors`, in their order, into `area` of `target`.
pub(super) fn compose<'a>(
    target: &mut Picture,
    area: &Rect,
    scanout: &Picture,
    cursors: impl Iterator<Item = Cursor<'a>>,
) {
    target.write(area, scanout.rows(area));
    draw_cursors(target, area, cursors);
}

/// Draws `cursors`, in their order, into `area` of `target`.
pub(super) fn draw_cursors<'a>(
    target: &mut Picture,
    area: &Rect,
    cursors: impl Iterator<Item = Cursor<'a>>,
) {
    for cursor in cursors {
        if let Some((on_target, on_image)) = cursor.covers(area) {
            let rows = cursor.image.rows(&on_image);
            for (target, source) in target.rows_mut(&on_target).zip(rows) {
                blend_row(target, source);
            }
        }
    }
}

/// What two stretches of one axis share: from where in each, and how long.
struct Overlap {
    area: u32,
    image: u32,
    length: u32,
}

fn overlap(origin: i64, size: u32, area_start: u32, area_end: u64) -> Option<Overlap> {
    let start = origin.max(i64::from(area_start));
    let end = origin
        .saturating_add(i64::from(size))
        .min(i64::try_from(area_end).unwrap_or(i64::MAX));
    let length = u32::try_from(end.saturating_sub(start)).ok()?;
    Some(Overlap {
        area: u32::try_from(start).ok()?,
        image: u32::try_from(start.saturating_sub(origin)).ok()?,
        length,
    })
}

fn blend_row(target: &mut [u8], source: &[u8]) {
    let targets = target.as_chunks_mut::<4>().0;
    for (below, &[red, green, blue, alpha]) in targets.iter_mut().zip(source.as_chunks::<4>().0) {
        let [below_red, below_green, below_blue, _] = *below;
        *below = [
            blend(red, below_red, alpha),
            blend(green, below_green, alpha),
            blend(blue, below_blue, alpha),
            u8::MAX,
        ];
    }
}

/// `above`, which has been multiplied by `alpha` already, over what `alpha` leaves of `below`,
/// rounded to the nearest. A colour brighter than its alpha allows ends at white.
fn blend(above: u8, below: u8, alpha: u8) -> u8 {
    let left = u32::from(below).saturating_mul(u32::from(u8::MAX.saturating_sub(alpha)));
    let left = left.saturating_add(127) / 255;
    u8::try_from(left.saturating_add(u32::from(above))).unwrap_or(u8::MAX)
}
