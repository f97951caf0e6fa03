//! Resources: every byte of a backing has its own place in a list.

use gpu_buffer::Rect;

use super::Image;

/// A resource.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) format: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes of all pixels, row by row.
    pub(super) bytes: Vec<u8>,
    /// For every byte of the backing, where in memory it is.
    pub(super) backing: Option<Vec<usize>>,
    /// Who has the bytes.
    pub(super) owner: Owner,
}

/// Who has the contents of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Host,
    Renderer,
}

impl Resource {
    pub(super) fn new(format: u32, width: u32, height: u32, owner: Owner) -> Self {
        Self {
            format,
            width,
            height,
            bytes: vec![0; (width * height * 4) as usize],
            backing: None,
            owner,
        }
    }

    pub(super) fn stride(&self) -> u32 {
        self.width * 4
    }

    pub(super) fn bounds(&self) -> Rect {
        Rect::from_size(self.width, self.height)
    }

    pub(super) fn contains(&self, rect: &Rect) -> bool {
        u64::from(rect.x) + u64::from(rect.width) <= u64::from(self.width)
            && u64::from(rect.y) + u64::from(rect.height) <= u64::from(self.height)
    }

    /// Whether the backing has all bytes of a rectangle whose first pixel is at `offset`.
    pub(super) fn has_backing_for(&self, rect: &Rect, offset: u64) -> bool {
        let there = self.backing.as_ref().map_or(0, Vec::len) as u128;
        let end = u128::from(offset)
            + u128::from(rect.height.saturating_sub(1)) * u128::from(self.stride())
            + u128::from(rect.width) * 4;
        end <= there
    }

    /// Each byte of a rectangle and where it is in memory, in the order in which they are copied.
    pub(super) fn places(&self, rect: &Rect, offset: u64) -> Vec<(usize, usize)> {
        let stride = self.stride() as usize;
        let backing = self.backing.as_ref().expect("it was looked at");
        let mut places = Vec::new();
        for row in 0..rect.height as usize {
            for byte in 0..rect.width as usize * 4 {
                let in_memory = backing[offset as usize + row * stride + byte];
                let here = (rect.y as usize + row) * stride + rect.x as usize * 4 + byte;
                places.push((here, in_memory));
            }
        }
        places
    }

    /// The pixels of a part.
    pub(super) fn image(&self, rect: &Rect) -> Image {
        let [red, green, blue] = order(self.format).expect("the format was looked at");
        let pixel = |x: u32, y: u32| {
            let at = ((y * self.width + x) * 4) as usize;
            let byte = |place: usize| u32::from(self.bytes[at + place]);
            byte(red) << 16 | byte(green) << 8 | byte(blue)
        };
        let rows = rect.y..rect.y + rect.height;
        Image {
            width: rect.width,
            pixels: rows
                .flat_map(|y| (rect.x..rect.x + rect.width).map(move |x| (x, y)))
                .map(|(x, y)| pixel(x, y))
                .collect(),
        }
    }
}

/// Which bytes of a pixel are red, green and blue, VIRTIO 1.4 §5.7.6.8: the formats' names list
/// the bytes in the order in which they lie in memory.
pub(super) fn order(format: u32) -> Option<[usize; 3]> {
    match format {
        1 | 2 => Some([2, 1, 0]),
        3 | 4 => Some([1, 2, 3]),
        67 | 134 => Some([0, 1, 2]),
        68 | 121 => Some([3, 2, 1]),
        _ => None,
    }
}
