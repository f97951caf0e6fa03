//! What is drawn: every byte of every plane says where it is.

use gpu_buffer::{Error as BufferError, Image, Layout, Rect};
use vm_memory::VolatileSlice;

use crate::error::{Error, Result};

/// The byte at `x` bytes from the left in row `y` of a plane.
pub(crate) fn byte(plane: usize, x: u32, y: u32) -> u8 {
    let mixed = x * 7 + y * 13 + (x / 64) * (y / 16) * 5 + 3;
    let mixed = u64::from(mixed) + 29 * u64::try_from(plane).unwrap_or(0);
    u8::try_from(mixed % 251).unwrap_or(0)
}

/// The rows of `rect` of a plane that lies as `layout` says, without gaps.
pub(crate) fn rows(plane: usize, layout: &Layout, rect: Rect) -> Vec<u8> {
    let sample = layout.bytes_per_pixel();
    let mut bytes = Vec::new();
    for y in rect.y..rect.y + rect.height {
        for x in rect.x * sample..(rect.x + rect.width) * sample {
            bytes.push(byte(plane, x, y));
        }
    }
    bytes
}

/// Reads `rect` of a plane and compares it with the pattern.
pub(crate) fn compare(image: &Image, plane: usize, rect: Rect) -> Result<()> {
    let layout = *plane_layout(image, plane)?;
    let expected = rows(plane, &layout, rect);
    let mut seen = vec![0; expected.len()];
    let row_bytes = rect.width * layout.bytes_per_pixel();
    image
        .read(
            plane,
            rect,
            &VolatileSlice::from(&mut seen[..]),
            row_bytes.into(),
        )
        .map_err(Error::buffer(format!("read plane {plane}")))?;
    match seen.iter().zip(&expected).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(at) => {
            let row_bytes = usize::try_from(row_bytes).unwrap_or(1);
            let (x, y) = (at % row_bytes, at / row_bytes);
            let wrong = seen.iter().zip(&expected).filter(|(a, b)| a != b).count();
            Err(Error::Wrong(format!(
                "plane {plane}, {rect:?}: {wrong} of {} bytes are wrong, the first at {x}, {y}: {:?} for {:?}",
                seen.len(),
                seen.get(at),
                expected.get(at)
            )))
        }
    }
}

/// How the samples of a plane lie.
pub(crate) fn plane_layout(image: &Image, plane: usize) -> Result<&Layout> {
    let found: std::result::Result<_, BufferError> = image.layout().plane(plane);
    Ok(found.map_err(Error::buffer("look at the layout"))?.layout())
}
