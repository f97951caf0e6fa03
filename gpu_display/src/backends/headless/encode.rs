//! Pictures as PNG files in memory.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use png::Compression;

use super::Picture;

/// What a file may have beyond the pixels' own bytes before it is made without compression: noise would grow.
const OVERHEAD: usize = 64 << 10;

/// Bytes of a compressed part. The encoder holds one.
const PART_BYTES: usize = 64 << 10;

/// Ends encoding and writing early. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(super) fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// An error once this was cancelled.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(io::Error::other("there was no time for it"));
        }
        Ok(())
    }
}

/// The bytes of a PNG file: no more than the picture has, and [`OVERHEAD`] or what stored rows need. A cancelled one
/// ends within a row.
pub(super) fn encode(picture: &Picture, cancel: &Cancel) -> io::Result<Vec<u8>> {
    let mut file = File {
        bytes: Vec::new(),
        limit: picture.pixels.len().saturating_add(OVERHEAD),
        is_full: false,
    };
    let compressed = encode_with(Compression::Fast, picture, cancel, &mut file);
    if file.is_full {
        file.bytes.clear();
        file.limit = usize::MAX;
        file.is_full = false;
        encode_with(Compression::NoCompression, picture, cancel, &mut file)?;
    } else {
        compressed?;
    }
    Ok(file.bytes)
}

fn encode_with(
    compression: Compression,
    picture: &Picture,
    cancel: &Cancel,
    file: &mut File,
) -> io::Result<()> {
    let mut encoder = png::Encoder::new(file, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(compression);
    let mut writer = encoder.write_header()?;
    let mut pixels = writer.stream_writer_with_size(PART_BYTES)?;
    for row in picture.rows(&picture.bounds()) {
        cancel.check()?;
        pixels.write_all(row)?;
    }
    pixels.finish()?;
    writer.finish()?;
    Ok(())
}

/// A file in memory.
struct File {
    bytes: Vec<u8>,
    limit: usize,
    /// Whether something was beyond the limit.
    is_full: bool,
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_full |= self.bytes.len().saturating_add(bytes.len()) > self.limit;
        if self.is_full {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.try_reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

    use super::*;

    /// A picture whose bytes do not compress.
    fn noise(width: u32, height: u32) -> Picture {
        let mut picture = Picture::new(width, height).unwrap();
        let mut state = 1_u32;
        for byte in &mut picture.pixels {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            *byte = state as u8;
        }
        picture
    }

    #[test]
    fn a_file_of_noise_has_its_pixels_and_is_hardly_larger_than_they_are() {
        let picture = noise(512, 512);

        let file = encode(&picture, &Cancel::default()).unwrap();

        assert!(file.len() < (1 << 20) + (64 << 10), "{}", file.len());
        let mut reader = png::Decoder::new(io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert!(pixels == picture.pixels);
    }

    #[test]
    fn a_plain_picture_is_compressed() {
        let picture = Picture::new(512, 512).unwrap();

        let file = encode(&picture, &Cancel::default()).unwrap();

        assert!(file.len() < 64 << 10, "{}", file.len());
    }

    #[test]
    fn nothing_is_encoded_after_it_was_cancelled() {
        let cancel = Cancel::default();
        cancel.cancel();

        let file = encode(&noise(4, 4), &cancel);

        assert!(file.is_err());
    }
}
