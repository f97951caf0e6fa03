//! Pixels in memory, and the simple file in which guest and host exchange them.

/// A rectangle of pixels, none of it left of or above the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rectangle {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A picture, one `0xAARRGGBB` word a pixel; a screen's pictures have alpha 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u32>,
}

const MAGIC: &[u8; 4] = b"KMSP";
const LONGEST_SIDE: u32 = 16_384;

impl Picture {
    /// Computes every pixel from its column and row.
    pub fn from_fn(width: u32, height: u32, pixel: impl Fn(u32, u32) -> u32) -> Self {
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| pixel(x, y))
            .collect();
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Takes pixels in reading order; none when their number is not `width * height`.
    #[must_use]
    pub fn from_pixels(width: u32, height: u32, pixels: Vec<u32>) -> Option<Self> {
        let count = u64::from(width) * u64::from(height);
        (u64::try_from(pixels.len()).ok()? == count).then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All pixels in reading order.
    #[must_use]
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// All rows from the top.
    pub fn rows(&self) -> impl Iterator<Item = &[u32]> {
        self.pixels.chunks_exact(to_index(self.width.max(1)))
    }

    /// One pixel, none outside.
    #[must_use]
    pub fn get(&self, x: u32, y: u32) -> Option<u32> {
        let index = self.index(x, y)?;
        self.pixels.get(index).copied()
    }

    /// Sets one pixel; nothing happens outside.
    pub fn set(&mut self, x: u32, y: u32, value: u32) {
        if let Some(pixel) = self
            .index(x, y)
            .and_then(|index| self.pixels.get_mut(index))
        {
            *pixel = value;
        }
    }

    /// Copies one rectangle from a picture of the same size.
    pub fn copy_rectangle(&mut self, from: &Self, rectangle: Rectangle) {
        for y in rectangle.y..rectangle.y + rectangle.height {
            for x in rectangle.x..rectangle.x + rectangle.width {
                if let Some(value) = from.get(x, y) {
                    self.set(x, y, value);
                }
            }
        }
    }

    /// The picture as a file: four letters, width, height, pixels, all little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for word in [self.width, self.height].iter().chain(&self.pixels) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads such a file; none when it is not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        if !rest.len().is_multiple_of(4) {
            return None;
        }
        let mut words = rest
            .chunks_exact(4)
            .filter_map(|word| Some(u32::from_le_bytes(word.try_into().ok()?)));
        let width = words.next().filter(|width| *width <= LONGEST_SIDE)?;
        let height = words.next().filter(|height| *height <= LONGEST_SIDE)?;
        Self::from_pixels(width, height, words.collect())
    }

    fn index(&self, x: u32, y: u32) -> Option<usize> {
        if x >= self.width || y >= self.height {
            return None;
        }
        usize::try_from(u64::from(y) * u64::from(self.width) + u64::from(x)).ok()
    }
}

fn to_index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_as_they_went() {
        let picture = Picture::from_fn(3, 2, |x, y| 0x00ab_cd00 | (y << 4) | x);
        assert_eq!(Picture::from_bytes(&picture.to_bytes()), Some(picture));
    }

    #[test]
    fn other_files_are_refused() {
        let good = Picture::from_fn(2, 2, |_, _| 1).to_bytes();
        let mut huge = good.clone();
        huge[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        for bad in [
            &b""[..],
            b"KMSP",
            &good[..good.len() - 1],
            &good[..16],
            &huge,
        ] {
            assert_eq!(Picture::from_bytes(bad), None);
        }
    }

    #[test]
    fn pixels_outside_do_not_exist() {
        let mut picture = Picture::from_fn(2, 2, |_, _| 1);
        picture.set(2, 0, 9);
        picture.set(0, 2, 9);
        assert_eq!(picture.get(2, 0), None);
        assert!(picture.pixels().iter().all(|pixel| *pixel == 1));
    }
}
