//! Test patterns in which every pixel tells where it belongs.

use crate::picture::{Picture, Rectangle};

/// A picture in which neighbours, rows and seeds all differ, so that a shift, a wrong stride or a
/// stale frame cannot pass for the right one.
#[must_use]
pub fn pattern(width: u32, height: u32, seed: u32) -> Picture {
    Picture::from_fn(width, height, |x, y| {
        let red = (x + seed * 40) & 0xff;
        let green = (y + seed * 24) & 0xff;
        let blue = (((x / 16) ^ (y / 16) ^ (x >> 8) ^ seed) * 8) & 0xff;
        (red << 16) | (green << 8) | blue
    })
}

/// What the partial update draws, announces, and leaves unannounced.
#[derive(Debug, Clone)]
pub struct Damage {
    /// The whole first picture.
    pub before: Picture,
    /// The changed rectangles, announced one by one.
    pub announced: Vec<Rectangle>,
    /// A rectangle that is changed in memory, but never announced.
    pub silent: Rectangle,
    /// What is painted into the changed rectangles.
    pub after: Picture,
}

impl Damage {
    /// What the screen must show in the end: silence included.
    #[must_use]
    pub fn expected(&self) -> Picture {
        let mut picture = self.before.clone();
        for rectangle in &self.announced {
            picture.copy_rectangle(&self.after, *rectangle);
        }
        picture
    }
}

/// The partial update for a screen of this size.
#[must_use]
pub fn damage(width: u32, height: u32) -> Damage {
    let piece = |x, y, width, height| Rectangle {
        x,
        y,
        width,
        height,
    };
    Damage {
        before: pattern(width, height, 1),
        after: pattern(width, height, 6),
        announced: vec![
            piece(0, 0, 1, 1),
            piece(width - 1, height - 1, 1, 1),
            piece(7, 13, 101, 3),
            piece(width / 2 - 33, height / 2 - 51, 67, 103),
            piece(width - 65, 31, 65, 17),
            piece(0, height - 9, width, 5),
        ],
        silent: piece(width / 4, height / 4, 40, 40),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_change_every_pixel() {
        let (one, two) = (pattern(64, 48, 1), pattern(64, 48, 2));
        let same = one
            .pixels()
            .iter()
            .zip(two.pixels())
            .filter(|(one, two)| one == two)
            .count();
        assert_eq!(same, 0);
    }

    #[test]
    fn the_silent_rectangle_touches_no_announced_one() {
        let damage = damage(640, 480);
        let silent = damage.silent;
        for other in &damage.announced {
            let apart = other.x + other.width <= silent.x
                || silent.x + silent.width <= other.x
                || other.y + other.height <= silent.y
                || silent.y + silent.height <= other.y;
            assert!(apart, "{other:?}");
        }
        assert_eq!(
            damage.expected().get(silent.x, silent.y),
            damage.before.get(silent.x, silent.y)
        );
        assert_eq!(damage.expected().get(0, 0), damage.after.get(0, 0));
    }
}
