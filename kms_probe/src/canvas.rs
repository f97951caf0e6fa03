//! Drawing with soft edges on a picture.

use crate::font;
use crate::picture::Picture;

/// A picture being painted. Coordinates are pixels, colours `0xRRGGBB`, opacities 0 to 1.
#[derive(Debug)]
pub struct Canvas {
    picture: Picture,
}

impl Canvas {
    /// Begins with a background computed for every pixel.
    #[must_use]
    pub fn new(background: Picture) -> Self {
        Self {
            picture: background,
        }
    }

    /// The finished picture.
    #[must_use]
    pub fn finish(self) -> Picture {
        self.picture
    }

    /// Paints wherever `coverage`, of the distance from the centre, is above 0, within `reach`.
    fn radial(
        &mut self,
        (centre_x, centre_y): (f32, f32),
        reach: f32,
        colour: u32,
        coverage: impl Fn(f32, f32) -> f32,
    ) {
        let (left, right) = span(centre_x, reach, self.picture.width());
        let (top, bottom) = span(centre_y, reach, self.picture.height());
        for y in top..bottom {
            for x in left..right {
                let (dx, dy) = (number(x) + 0.5 - centre_x, number(y) + 0.5 - centre_y);
                let opacity = coverage(dx, dy);
                if opacity > 0.0 {
                    self.blend(x, y, colour, opacity);
                }
            }
        }
    }

    /// A filled disc.
    pub fn disc(&mut self, centre: (f32, f32), radius: f32, colour: u32, opacity: f32) {
        self.radial(centre, radius + 1.0, colour, |dx, dy| {
            (radius + 0.5 - dx.hypot(dy)).clamp(0.0, 1.0) * opacity
        });
    }

    /// A disc lit from the upper left.
    pub fn ball(&mut self, centre: (f32, f32), radius: f32, colour: u32, opacity: f32) {
        self.disc(centre, radius, colour, opacity);
        let light = (centre.0 - radius * 0.35, centre.1 - radius * 0.35);
        let inner = radius * 0.55;
        self.radial(light, inner, 0x00ff_ffff, |dx, dy| {
            let near = 1.0 - dx.hypot(dy) / inner;
            near.clamp(0.0, 1.0).powi(2) * 0.75 * opacity
        });
    }

    /// The part of a ring from the top clockwise to `turn` (0 to 1).
    pub fn arc(&mut self, centre: (f32, f32), radius: f32, width: f32, turn: f32, colour: u32) {
        self.radial(centre, radius + width, colour, |dx, dy| {
            let edge = (width / 2.0 + 0.5 - (dx.hypot(dy) - radius).abs()).clamp(0.0, 1.0);
            let angle = dx.atan2(-dy) / std::f32::consts::TAU;
            let angle = if angle < 0.0 { angle + 1.0 } else { angle };
            if angle <= turn { edge } else { 0.0 }
        });
    }

    /// A line with round ends.
    pub fn line(&mut self, from: (f32, f32), to: (f32, f32), width: f32, colour: u32) {
        let along = (to.0 - from.0, to.1 - from.1);
        let length = along.0.hypot(along.1).max(f32::EPSILON);
        self.radial(from, length + width, colour, |dx, dy| {
            let part = ((dx * along.0 + dy * along.1) / (length * length)).clamp(0.0, 1.0);
            let distance = (dx - along.0 * part).hypot(dy - along.1 * part);
            (width / 2.0 + 0.5 - distance).clamp(0.0, 1.0)
        });
    }

    /// Text in the built-in font, each dot a square of `dot` pixels.
    pub fn text(&mut self, (left, top): (u32, u32), dot: u32, text: &str, colour: u32) {
        let mut left = left;
        for letter in text.chars() {
            for (row, bits) in (0..).zip(font::glyph(letter)) {
                for column in (0..5).filter(|column| bits & (0x10 >> column) != 0) {
                    self.rectangle(
                        (left + column * dot, top + row * dot),
                        (dot, dot),
                        colour,
                        1.0,
                    );
                }
            }
            left += font::ADVANCE * dot;
        }
    }

    /// A filled rectangle.
    pub fn rectangle(
        &mut self,
        (left, top): (u32, u32),
        (width, height): (u32, u32),
        colour: u32,
        opacity: f32,
    ) {
        for y in top..top + height {
            for x in left..left + width {
                self.blend(x, y, colour, opacity);
            }
        }
    }

    fn blend(&mut self, x: u32, y: u32, colour: u32, opacity: f32) {
        if let Some(under) = self.picture.get(x, y) {
            self.picture.set(x, y, mix(under, colour, opacity));
        }
    }
}

/// How wide a text is, in dots.
#[must_use]
pub fn text_dots(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(0) * font::ADVANCE
}

/// Goes from one colour (0) to another (1).
pub(crate) fn mix(from: u32, to: u32, part: f32) -> u32 {
    let channel = |shift: u32| {
        let (a, b) = (number((from >> shift) & 0xff), number((to >> shift) & 0xff));
        whole(a + (b - a) * part).min(255) << shift
    };
    channel(16) | channel(8) | channel(0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "pixels and colours are far below 2^24"
)]
pub(crate) fn number(value: u32) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what a pixel wants"
)]
pub(crate) fn whole(value: f32) -> u32 {
    value.round() as u32
}

fn span(centre: f32, reach: f32, end: u32) -> (u32, u32) {
    (
        whole((centre - reach).floor()).min(end),
        whole((centre + reach).ceil()).min(end),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_mix_by_channel() {
        assert_eq!(mix(0x0010_20ff, 0x0030_4000, 0.0), 0x0010_20ff);
        assert_eq!(mix(0x0010_20ff, 0x0030_4000, 1.0), 0x0030_4000);
        assert_eq!(mix(0x0000_0000, 0x0064_6464, 0.5), 0x0032_3232);
    }

    #[test]
    fn shapes_beyond_the_edge_are_clipped() {
        let mut canvas = Canvas::new(Picture::from_fn(8, 8, |_, _| 0));
        canvas.disc((-2.0, 9.0), 4.0, 0x00ff_ffff, 1.0);
        canvas.text((6, 6), 2, "X", 0x00ff_0000);
        let picture = canvas.finish();
        assert_eq!(picture.get(0, 7), Some(0x00ff_ffff));
        assert_eq!(picture.get(7, 0), Some(0));
    }
}
