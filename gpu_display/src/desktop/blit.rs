//! Copies of pixels into a buffer that a window system reads.

use gpu_buffer::{Buffer, DrmFourcc, Layout, Rect, copy};
use vm_memory::{Bytes, VolatileSlice};

use crate::DisplayError;

/// Bytes of pixels that are converted at a time: while still in the processor's cache.
const BAND_BYTES: u64 = 256 << 10;

/// Pixels to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels<'a> {
    pub(crate) memory: VolatileSlice<'a>,
    pub(crate) layout: &'a Layout,
}

/// Copies the pixels at `from` to the rectangle `to` of a buffer, which is as large, and returns
/// how many bytes it wrote.
///
/// # Errors
/// [`DisplayError::Pixels`] if either leaves its picture or its memory.
pub(crate) fn blit(
    source: &Pixels<'_>,
    from: Rect,
    target: &Buffer,
    to: Rect,
) -> Result<u64, DisplayError> {
    let (memory, layout) = (target.memory(), target.layout());
    if copy::is_same_bytes(source.layout.format(), layout.format()) {
        for (from, to) in pieces(source.layout, from, layout, to) {
            let row = |memory, layout, rect| copy::slices(memory, layout, rect, 0);
            let from = row(&source.memory, source.layout, from)?;
            let to = row(&memory, layout, to)?;
            for (from, to) in from.zip(to) {
                from.copy_to_volatile_slice(to);
            }
        }
    } else {
        let mut pixels = Vec::new();
        for (from, to) in bands(from, to) {
            pixels.clear();
            let format = layout.format();
            copy::read_rect(&source.memory, source.layout, from, format, &mut pixels)?;
            let mut rest = pixels.as_slice();
            for piece in copy::slices(&memory, layout, to, 0)? {
                let written = piece.write(rest, 0).unwrap_or(0);
                rest = rest.get(written..).unwrap_or(&[]);
            }
        }
    }
    Ok(to
        .area()
        .saturating_mul(u64::from(layout.bytes_per_pixel())))
}

/// The format of the same bytes for a picture that is opaque whatever its fourth byte says.
pub(crate) fn opaque_format(format: DrmFourcc) -> DrmFourcc {
    match format {
        DrmFourcc::Argb8888 => DrmFourcc::Xrgb8888,
        DrmFourcc::Abgr8888 => DrmFourcc::Xbgr8888,
        DrmFourcc::Bgra8888 => DrmFourcc::Bgrx8888,
        DrmFourcc::Rgba8888 => DrmFourcc::Rgbx8888,
        other => other,
    }
}

/// The rectangles in pieces that lie in one run of bytes on both sides: all at once where neither
/// has gaps between its rows.
fn pieces(
    source: &Layout,
    from: Rect,
    target: &Layout,
    to: Rect,
) -> impl Iterator<Item = (Rect, Rect)> {
    let gapless = |layout: &Layout, rect: Rect| {
        u64::from(rect.width).saturating_mul(u64::from(layout.bytes_per_pixel()))
            == u64::from(layout.stride())
    };
    let rows = match gapless(source, from) && gapless(target, to) {
        true => from.height.max(1),
        false => 1,
    };
    strips(from, to, rows)
}

fn bands(from: Rect, to: Rect) -> impl Iterator<Item = (Rect, Rect)> {
    let row_bytes = u64::from(from.width).saturating_mul(4);
    let rows = BAND_BYTES.checked_div(row_bytes).unwrap_or(1).max(1);
    strips(from, to, u32::try_from(rows).unwrap_or(u32::MAX))
}

/// Both rectangles in strips of so many rows.
fn strips(from: Rect, to: Rect, rows: u32) -> impl Iterator<Item = (Rect, Rect)> {
    let step = usize::try_from(rows).unwrap_or(usize::MAX);
    (0..from.height).step_by(step).map(move |y| {
        let strip = |rect: Rect| Rect {
            y: rect.y.saturating_add(y),
            height: rows.min(rect.height.saturating_sub(y)),
            ..rect
        };
        (strip(from), strip(to))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

    use super::*;
    use gpu_buffer::{Allocator, BufferRequest, MemfdAllocator};

    /// A buffer whose every pixel says where it is: x, y, a colour, and garbage.
    fn numbered(layout: Layout) -> Buffer {
        let buffer = MemfdAllocator.allocate(&BufferRequest { layout }).unwrap();
        for y in 0..layout.height() {
            for x in 0..layout.width() {
                let at = y as usize * layout.stride() as usize + x as usize * 4;
                let pixel = [x as u8, y as u8, 0x55, 0xee];
                buffer.memory().write_slice(&pixel, at).unwrap();
            }
        }
        buffer
    }

    fn empty(layout: Layout) -> Buffer {
        MemfdAllocator.allocate(&BufferRequest { layout }).unwrap()
    }

    fn pixel(buffer: &Buffer, x: u32, y: u32) -> [u8; 4] {
        let at = y as usize * buffer.layout().stride() as usize + x as usize * 4;
        let mut pixel = [0; 4];
        buffer.memory().read_slice(&mut pixel, at).unwrap();
        pixel
    }

    fn copy(source: &Buffer, from: Rect, target: &Buffer, to: Rect) -> u64 {
        let pixels = Pixels {
            memory: source.memory(),
            layout: source.layout(),
        };
        blit(&pixels, from, target, to).unwrap()
    }

    #[test]
    fn a_rectangle_lands_where_it_should_and_nothing_else_changes() {
        let source = numbered(Layout::with_stride(20, 10, 96, DrmFourcc::Xrgb8888).unwrap());
        let target = empty(Layout::packed(9, 8, DrmFourcc::Xrgb8888).unwrap());

        let bytes = copy(
            &source,
            Rect::new(3, 2, 5, 4),
            &target,
            Rect::new(1, 3, 5, 4),
        );

        assert_eq!(bytes, 80);
        for y in 0..8 {
            for x in 0..9 {
                let inside = (1..6).contains(&x) && (3..7).contains(&y);
                let expected = match inside {
                    true => [x as u8 + 2, y as u8 - 1, 0x55, 0xee],
                    false => [0; 4],
                };
                assert_eq!(pixel(&target, x, y), expected, "{x},{y}");
            }
        }
    }

    #[test]
    fn whole_rows_are_copied_as_well() {
        let layout = Layout::packed(6, 5, DrmFourcc::Xrgb8888).unwrap();
        let (source, target) = (numbered(layout), empty(layout));

        copy(
            &source,
            Rect::new(0, 1, 6, 3),
            &target,
            Rect::new(0, 2, 6, 3),
        );

        assert_eq!(pixel(&target, 5, 1), [0; 4]);
        assert_eq!(pixel(&target, 0, 2), [0, 1, 0x55, 0xee]);
        assert_eq!(pixel(&target, 5, 4), [5, 3, 0x55, 0xee]);
    }

    #[test]
    fn another_format_is_converted_in_bands() {
        // One row more than a band has.
        let source = numbered(Layout::packed(1024, 65, DrmFourcc::Rgbx8888).unwrap());
        let target = empty(Layout::packed(1025, 65, DrmFourcc::Xrgb8888).unwrap());

        copy(
            &source,
            Rect::new(0, 0, 1024, 65),
            &target,
            Rect::new(1, 0, 1024, 65),
        );

        // From X, B, G, R to B, G, R, X.
        for y in [0, 63, 64] {
            let expected = [y as u8, 0x55, 0xee];
            assert_eq!(pixel(&target, 8, y)[..3], expected, "row {y}");
        }
        assert_eq!(pixel(&target, 0, 64), [0; 4]);
    }

    #[test]
    fn nothing_is_copied_past_a_picture() {
        let layout = Layout::packed(4, 4, DrmFourcc::Xrgb8888).unwrap();
        let (source, target) = (numbered(layout), empty(layout));
        let pixels = Pixels {
            memory: source.memory(),
            layout: source.layout(),
        };
        let inside = Rect::new(0, 0, 2, 2);
        let outside = Rect::new(3, 3, 2, 2);

        assert!(blit(&pixels, outside, &target, inside).is_err());
        assert!(blit(&pixels, inside, &target, outside).is_err());
    }
}
