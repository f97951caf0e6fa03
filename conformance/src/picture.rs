//! Pictures, and the pattern that is drawn in guest memory.

/// Pixels as XRGB words: the highest byte is zero.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Rows from the top, each from the left.
    pub pixels: Vec<u32>,
}

impl Picture {
    /// A picture by its pixels.
    pub fn new(width: u32, height: u32, pixel: impl Fn(u32, u32) -> u32) -> Self {
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

    /// A black picture.
    pub fn black(width: u32, height: u32) -> Self {
        Self::new(width, height, |_, _| 0)
    }

    /// The bytes of the picture in the format B8G8R8X8, rows without gaps. The byte that means
    /// nothing is set, so that whoever copies it by mistake is found out.
    pub fn bytes(&self) -> Vec<u8> {
        self.pixels
            .iter()
            .flat_map(|pixel| (pixel | 0xc300_0000).to_le_bytes())
            .collect()
    }

    /// The first pixel in which two pictures of one size differ.
    pub fn first_difference(&self, other: &Self) -> Option<(u32, u32)> {
        let at = self
            .pixels
            .iter()
            .zip(&other.pixels)
            .position(|(one, two)| one != two)?;
        let at = u32::try_from(at).ok()?;
        Some((at % self.width, at / self.width))
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{} pixels", self.width, self.height)?;
        match self.pixels.first() {
            Some(first) if self.pixels.iter().all(|pixel| pixel == first) => {
                write!(f, ", all {first:06x}")
            }
            Some(first) => write!(f, ", the first {first:06x}"),
            None => Ok(()),
        }
    }
}

/// A pixel that names its place in pictures up to 2048 pixels wide.
pub fn gradient(x: u32, y: u32) -> u32 {
    (x.wrapping_mul(0x0001_0307) ^ y.wrapping_mul(0x0000_1d01)) & 0x00ff_ffff
}
