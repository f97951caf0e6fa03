//! Pictures from PNG files, and what to say when two of them differ.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use kms_probe::{Picture, Rectangle};

use crate::error::{Error, Result};

/// Reads a PNG as screen pixels: alpha is dropped.
pub(crate) fn read_png(path: &Path) -> Result<Picture> {
    let bad = |message: String| Error::Protocol {
        peer: "PNG reader",
        message: format!("{}: {message}", path.display()),
    };
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder
        .read_info()
        .map_err(|error| bad(error.to_string()))?;
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| bad("too large".to_owned()))?;
    let mut bytes = vec![0; size];
    let info = reader
        .next_frame(&mut bytes)
        .map_err(|error| bad(error.to_string()))?;
    let samples = match info.color_type {
        png::ColorType::Rgb => 3,
        png::ColorType::Rgba => 4,
        other => return Err(bad(format!("{other:?} is not a screen's format"))),
    };
    let pixels = bytes
        .chunks_exact(samples)
        .filter_map(|sample| match sample {
            [red, green, blue, ..] => Some(u32::from_be_bytes([0, *red, *green, *blue])),
            _ => None,
        })
        .collect();
    Picture::from_pixels(info.width, info.height, pixels)
        .ok_or_else(|| bad("its length does not match its size".to_owned()))
}

/// Writes screen pixels as a PNG.
pub(crate) fn write_png(picture: &Picture, path: &Path) -> Result<()> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let bytes: Vec<u8> = picture
        .pixels()
        .iter()
        .flat_map(|pixel| {
            let [_, red, green, blue] = pixel.to_be_bytes();
            [red, green, blue]
        })
        .collect();
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&bytes))
        .map_err(|error| Error::Protocol {
            peer: "PNG writer",
            message: format!("{}: {error}", path.display()),
        })
}

/// Says how `got` differs from `expected`; none when no pixel does.
pub(crate) fn difference(expected: &Picture, got: &Picture) -> Option<String> {
    if (expected.width(), expected.height()) != (got.width(), got.height()) {
        return Some(format!(
            "the size is {}x{}, expected {}x{}",
            got.width(),
            got.height(),
            expected.width(),
            expected.height()
        ));
    }
    let differing = || {
        (0..)
            .zip(expected.rows().zip(got.rows()))
            .flat_map(|(y, (expected, got))| {
                (0..)
                    .zip(expected.iter().zip(got))
                    .filter(|(_, (expected, got))| expected != got)
                    .map(move |(x, (expected, got))| (x, y, *expected, *got))
            })
    };
    let (x, y, expected, got): (u32, u32, u32, u32) = differing().next()?;
    let bounds = differing().fold((x, y, x, y), |(left, top, right, bottom), (x, y, _, _)| {
        (left.min(x), top.min(y), right.max(x), bottom.max(y))
    });
    Some(format!(
        "{} pixels differ, all within ({}, {}) to ({}, {}); the first at ({x}, {y}) is {got:06x}, expected {expected:06x}",
        differing().count(),
        bounds.0,
        bounds.1,
        bounds.2,
        bounds.3,
    ))
}

/// What a screen shows when a cursor image with premultiplied alpha lies over it at `position`.
pub(crate) fn with_cursor(screen: &Picture, cursor: &Picture, position: (i32, i32)) -> Picture {
    Picture::from_fn(screen.width(), screen.height(), |x, y| {
        let under = screen.get(x, y).unwrap_or(0);
        let inside = |pixel: u32, start: i32| {
            let offset = i64::from(pixel).saturating_sub(i64::from(start));
            u32::try_from(offset).ok()
        };
        let over = inside(x, position.0)
            .zip(inside(y, position.1))
            .and_then(|(column, row)| cursor.get(column, row));
        over.map_or(under, |over| blend(under, over))
    })
}

fn blend(under: u32, over: u32) -> u32 {
    let [alpha, over @ ..] = over.to_be_bytes();
    let [_, under @ ..] = under.to_be_bytes();
    let mut result = [0; 4];
    for (result, (over, under)) in result.iter_mut().skip(1).zip(over.into_iter().zip(under)) {
        let kept = u32::from(under)
            .saturating_mul(u32::from(u8::MAX.saturating_sub(alpha)))
            .saturating_add(127)
            .div_euclid(255);
        *result = over.saturating_add(u8::try_from(kept).unwrap_or(u8::MAX));
    }
    u32::from_be_bytes(result)
}

/// How many pixels have a channel that is off by more than `tolerance`; none when the sizes differ.
pub(crate) fn count_far(expected: &Picture, got: &Picture, tolerance: u8) -> Option<usize> {
    let is_far = |expected: &u32, got: &u32| {
        expected
            .to_be_bytes()
            .into_iter()
            .zip(got.to_be_bytes())
            .any(|(expected, got)| expected.abs_diff(got) > tolerance)
    };
    let same_size = (expected.width(), expected.height()) == (got.width(), got.height());
    let pixels = expected.pixels().iter().zip(got.pixels());
    same_size.then(|| {
        pixels
            .filter(|(expected, got)| is_far(expected, got))
            .count()
    })
}

/// Whether no channel of any pixel is off by more than `tolerance`.
pub(crate) fn is_close(expected: &Picture, got: &Picture, tolerance: u8) -> bool {
    count_far(expected, got, tolerance) == Some(0)
}

/// How many different colours a picture has.
pub(crate) fn count_colours(picture: &Picture) -> usize {
    let colours: HashSet<&u32> = picture.pixels().iter().collect();
    colours.len()
}

/// The smallest rectangle with all pixels of other colours than the upper left one's, give or take
/// `tolerance` a channel; none when there are none.
pub(crate) fn content(picture: &Picture, tolerance: u8) -> Option<Rectangle> {
    let background = picture.get(0, 0)?.to_be_bytes();
    let is_content = |pixel: &u32| {
        let channels = pixel.to_be_bytes().into_iter().zip(background);
        channels
            .into_iter()
            .any(|(one, other)| one.abs_diff(other) > tolerance)
    };
    let mut columns: Option<(u32, u32)> = None;
    let mut lines: Option<(u32, u32)> = None;
    let reach = |span: &mut Option<(u32, u32)>, at: u32| {
        let (first, last) = span.unwrap_or((at, at));
        *span = Some((first.min(at), last.max(at)));
    };
    for (y, row) in (0..).zip(picture.rows()) {
        for (x, pixel) in (0..).zip(row) {
            if is_content(pixel) {
                reach(&mut columns, x);
                reach(&mut lines, y);
            }
        }
    }
    let length = |(first, last): (u32, u32)| last.saturating_sub(first).saturating_add(1);
    let (columns, lines) = (columns?, lines?);
    Some(Rectangle {
        x: columns.0,
        y: lines.0,
        width: length(columns),
        height: length(lines),
    })
}

/// What is seen in the only window of a screen of one colour, which should have this size; none while
/// it has not.
pub(crate) fn only_window(screen: &Picture, size: (u32, u32)) -> Option<Picture> {
    let window = content(screen, 0)?;
    if (window.width, window.height) != size {
        return None;
    }
    Some(Picture::from_fn(size.0, size.1, |x, y| {
        let (x, y) = (x.saturating_add(window.x), y.saturating_add(window.y));
        screen.get(x, y).unwrap_or(0)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_located() {
        let one = Picture::from_fn(9, 5, |x, y| x << 8 | y);
        assert_eq!(difference(&one, &one), None);
        let mut two = one.clone();
        two.set(3, 2, 0xab_cdef);
        two.set(7, 1, 0);
        assert_eq!(
            difference(&one, &two).unwrap(),
            "2 pixels differ, all within (3, 1) to (7, 2); \
             the first at (7, 1) is 000000, expected 000701"
        );
        let other = Picture::from_fn(5, 9, |_, _| 0);
        assert!(difference(&one, &other).unwrap().starts_with("the size"));
    }

    #[test]
    fn pngs_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        let picture = Picture::from_fn(7, 3, |x, y| x << 16 | y << 8 | 0x7f);
        write_png(&picture, &path).unwrap();
        assert_eq!(read_png(&path).unwrap(), picture);
    }

    #[test]
    fn cursors_are_clipped_and_blended() {
        let screen = Picture::from_fn(3, 3, |_, _| 0x64_6464);
        let cursor = Picture::from_fn(2, 2, |x, _| if x == 0 { 0xff00_00ff } else { 0x8040_0000 });
        let shown = with_cursor(&screen, &cursor, (-1, 1));
        assert_eq!(shown.get(0, 0), Some(0x64_6464));
        assert_eq!(shown.get(0, 1), Some(0x72_3232));
        assert_eq!(shown.get(1, 1), Some(0x64_6464));
        assert!(is_close(&shown, &shown, 0));
        assert!(!is_close(&shown, &screen, 3));
    }

    #[test]
    fn pixels_beyond_the_tolerance_are_counted() {
        let one = Picture::from_fn(4, 1, |x, _| x << 16);
        let two = Picture::from_fn(4, 1, |_, _| 0);
        assert_eq!(count_far(&one, &two, 1), Some(2));
        assert_eq!(
            count_far(&one, &Picture::from_fn(2, 2, |_, _| 0), 255),
            None
        );
    }

    #[test]
    fn content_is_what_differs_from_the_background() {
        let mut picture = Picture::from_fn(9, 9, |_, _| 0x80_8080);
        assert_eq!(content(&picture, 2), None);
        picture.set(8, 8, 0x80_8082);
        picture.set(3, 2, 0);
        picture.set(6, 4, 0xff_0000);
        let expected = Rectangle {
            x: 3,
            y: 2,
            width: 4,
            height: 3,
        };
        assert_eq!(content(&picture, 2), Some(expected));
        assert_eq!(count_colours(&picture), 4);
        assert_eq!(only_window(&picture, (4, 3)), None);
        picture.set(8, 8, 0x80_8080);
        let window = only_window(&picture, (4, 3)).unwrap();
        assert_eq!(
            (window.get(0, 0), window.get(3, 2)),
            (Some(0), Some(0xff_0000))
        );
    }
}
