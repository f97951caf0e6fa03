//! What is on the screen.

use std::fmt;

/// Pixels: red, green, blue, and how opaque they are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<[u8; 4]>,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl Picture {
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            pixels: vec![[0; 4]; (width * height) as usize],
        }
    }

    pub(crate) fn pixel(&self, x: u32, y: u32) -> [u8; 4] {
        self.pixels[(y * self.width + x) as usize]
    }

    /// Takes the pixels of a rectangle, which may be far too large, from a picture of this size.
    pub(crate) fn update(&mut self, from: &Self, (x, y, width, height): (i32, i32, i32, i32)) {
        let range = |start: i32, length: i32, end: u32| {
            let stop = i64::from(start) + i64::from(length);
            let clamp = |at: i64| at.clamp(0, i64::from(end)) as u32;
            clamp(i64::from(start))..clamp(stop)
        };
        for y in range(y, height, self.height) {
            for x in range(x, width, self.width) {
                let at = (y * self.width + x) as usize;
                self.pixels[at] = from.pixels[at];
            }
        }
    }

    /// Asserts the size, and the colour of every pixel.
    #[track_caller]
    pub(crate) fn assert(&self, (width, height): (u32, u32), pixel: impl Fn(u32, u32) -> [u8; 4]) {
        assert_eq!((self.width, self.height), (width, height), "size");
        for y in 0..height {
            for x in 0..width {
                assert_eq!(self.pixel(x, y), pixel(x, y), "pixel {x},{y}");
            }
        }
    }
}
