//! The scene's textures, painted with the CPU.

use kms_probe::{Canvas, Picture, text_dots};

const SIDE: u32 = 256;

/// A panel with a frame, rivets and a name.
pub(crate) fn panel() -> Picture {
    let mut canvas = Canvas::new(Picture::from_fn(SIDE, SIDE, |x, y| {
        let edge = x.min(y).min(SIDE - 1 - x).min(SIDE - 1 - y);
        match edge {
            0..12 => 0x00ff_ffff,
            12..16 => 0x0060_6468,
            _ => 0x00e4_e0da - 0x0001_0101 * ((x + y) / 24),
        }
    }));
    let far = 226.0;
    for centre in [(30.0, 30.0), (far, 30.0), (30.0, far), (far, far)] {
        canvas.disc(centre, 6.0, 0x0060_6468, 1.0);
        canvas.disc((centre.0 - 1.5, centre.1 - 1.5), 4.0, 0x00ff_ffff, 1.0);
    }
    for (line, dot, top) in [("VIRTIO", 5, 72), ("GPU", 8, 126)] {
        let left = SIDE.saturating_sub((text_dots(line) - 1) * dot) / 2;
        canvas.text((left + 3, top + 3), dot, line, 0x00ff_ffff);
        canvas.text((left, top), dot, line, 0x0028_2c3c);
    }
    canvas.line((64.0, 200.0), (192.0, 200.0), 5.0, 0x0028_2c3c);
    canvas.finish()
}

/// A dark tile with a bright joint.
pub(crate) fn tile() -> Picture {
    Picture::from_fn(128, 128, |x, y| {
        if x < 3 || y < 3 {
            0x0063_6aa8
        } else if (x / 64 + y / 64).is_multiple_of(2) {
            0x001c_2146
        } else {
            0x0015_1938
        }
    })
}

/// No colour of its own.
pub(crate) fn white() -> Picture {
    Picture::from_fn(1, 1, |_, _| 0x00ff_ffff)
}

/// Lines of text for the lower edge of a screen: red says where a letter is, green where its shadow.
pub(crate) fn label(screen_width: u32, screen_height: u32, lines: &[String]) -> Picture {
    let widest = lines.iter().map(|line| text_dots(line)).max().unwrap_or(1);
    let dot = (screen_width * 9 / 10 / widest.max(1)).clamp(1, screen_height / 200 + 1);
    let height = 10 * dot * u32::try_from(lines.len()).unwrap_or(0) + 4 * dot;
    let mut canvas = Canvas::new(Picture::from_fn(screen_width, height, |_, _| 0));
    for (row, line) in (0..).zip(lines) {
        let left = screen_width.saturating_sub(text_dots(line) * dot) / 2;
        let top = row * 10 * dot;
        let shadow = dot.div_ceil(2);
        canvas.text((left + shadow, top + shadow), dot, line, 0x0000_ff00);
        canvas.text((left, top), dot, line, 0x00ff_ff00);
    }
    canvas.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_letters_with_shadows_and_fits_its_screen() {
        let label = label(320, 200, &["ABC".to_owned(), "D".to_owned()]);
        assert_eq!(label.width(), 320);
        assert!(label.height() < 200);
        for colour in [0x00ff_ff00, 0x0000_ff00, 0] {
            assert!(label.pixels().contains(&colour), "{colour:06x}");
        }
    }

    #[test]
    fn small_screens_have_labels_too() {
        assert_eq!(label(16, 16, &["A LONG LINE".to_owned()]).width(), 16);
    }
}
