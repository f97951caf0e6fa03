//! The cursor of the tests: no symmetry, some of it transparent, some of it half so.

use crate::picture::Picture;

/// Width and height of the cursor that virtio-gpu defines.
pub const CURSOR_SIDE: u32 = 64;

/// A cursor with premultiplied alpha: an opaque triangle, a translucent bar, the rest clear.
#[must_use]
pub fn cursor_image(seed: u32) -> Picture {
    Picture::from_fn(CURSOR_SIDE, CURSOR_SIDE, |x, y| {
        if x + y < 40 {
            let shade = (x * 6 + seed * 16) & 0xff;
            0xff00_0000 | (shade << 16) | ((y * 6) << 8) | 0x40
        } else if (48..60).contains(&y) {
            0x8000_0000 | 0x0040_0000 | (x << 8) | 0x10
        } else {
            0
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_premultiplied() {
        for pixel in cursor_image(3).pixels() {
            let alpha = pixel >> 24;
            for shift in [16, 8, 0] {
                assert!((pixel >> shift) & 0xff <= alpha, "{pixel:08x}");
            }
        }
    }
}
