//! Copies of planes, beside the same copy done byte by byte.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

use gpu_buffer::plane_copy::{Scattered, read_plane, write_plane};
use gpu_buffer::{DrmFourcc, Error, Layout, Rect, ScatterList};
use proptest::prelude::*;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap, VolatileSlice};

/// Formats of 1, 2 and 4 bytes a sample.
fn any_format() -> impl Strategy<Value = DrmFourcc> {
    prop_oneof![
        Just(DrmFourcc::R8),
        Just(DrmFourcc::Gr88),
        Just(DrmFourcc::Gr1616),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    layout: Layout,
    rect: Rect,
    offset: usize,
    stride: usize,
    cuts: Vec<usize>,
}

fn any_case() -> impl Strategy<Value = Case> {
    let sizes = (any_format(), 1_u32..12, 1_u32..12, 0_u32..7);
    sizes.prop_flat_map(|(format, width, height, gap)| {
        let packed = Layout::packed(width, height, format).unwrap();
        let layout = Layout::with_stride(width, height, packed.stride() + gap, format).unwrap();
        let place = (0..width, 0..height)
            .prop_flat_map(move |(x, y)| (Just(x), Just(y), 1..=width - x, 1..=height - y));
        let source = (
            0_usize..50,
            0_usize..9,
            prop::collection::vec(1_usize..40, 1..6),
        );
        (place, source).prop_map(move |((x, y, width, height), (offset, gap, cuts))| Case {
            layout,
            rect: Rect::new(x, y, width, height),
            offset,
            stride: (width * layout.bytes_per_pixel()) as usize + gap,
            cuts,
        })
    })
}

/// For each byte of the rectangle: where it is in the plane, and where in the other memory.
fn pairs(case: &Case, offset: usize) -> Vec<(usize, usize)> {
    let sample = case.layout.bytes_per_pixel() as usize;
    let row = case.rect.width as usize * sample;
    let mut pairs = Vec::new();
    for y in 0..case.rect.height as usize {
        for x in 0..row {
            let in_plane = (case.rect.y as usize + y) * case.layout.stride() as usize
                + case.rect.x as usize * sample
                + x;
            pairs.push((in_plane, offset + y * case.stride + x));
        }
    }
    pairs
}

fn numbered(length: usize, seed: usize) -> Vec<u8> {
    (0..length)
        .map(|at| ((at * 7 + seed) % 251) as u8)
        .collect()
}

/// `bytes` in pieces that lie in memory in the opposite order.
fn scatter(bytes: &[u8], cuts: &[usize]) -> (GuestMemoryMmap, ScatterList) {
    let memory: GuestMemoryMmap =
        GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x4000)]).unwrap();
    let mut end = 0x4000;
    let mut rest = bytes;
    let mut entries = Vec::new();
    for cut in cuts.iter().cycle() {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        end -= piece.len();
        memory.write_slice(piece, GuestAddress(end as u64)).unwrap();
        entries.push((end as u64, piece.len() as u32));
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let list = ScatterList::resolve(&memory, entries.into_iter()).unwrap();
    (memory, list)
}

proptest! {
    #[test]
    fn writing_is_copying_byte_by_byte_and_touches_nothing_else(case in any_case()) {
        let pairs = pairs(&case, case.offset);
        let end = pairs.iter().map(|pair| pair.1 + 1).max().unwrap();
        let source = numbered(end, 1);
        let mut plane = numbered(case.layout.size() as usize, 2);
        let mut expected = plane.clone();
        for (to, from) in &pairs {
            expected[*to] = source[*from];
        }
        let (_memory, list) = scatter(&source, &case.cuts);
        let scattered = Scattered {
            list: &list,
            offset: case.offset as u64,
            stride: case.stride as u64,
        };

        let slice = VolatileSlice::from(&mut plane[..]);
        write_plane(&scattered, &slice, &case.layout, case.rect).unwrap();

        prop_assert_eq!(&plane, &expected);

        let (_memory, short) = scatter(&source[..end - 1], &case.cuts);
        let scattered = Scattered { list: &short, ..scattered };
        let slice = VolatileSlice::from(&mut plane[..]);
        let result = write_plane(&scattered, &slice, &case.layout, case.rect);
        let is_too_short = matches!(result, Err(Error::SourceTooShort { .. }));
        prop_assert!(is_too_short);
        prop_assert_eq!(&plane, &expected);
    }

    #[test]
    fn reading_is_copying_byte_by_byte_and_touches_nothing_else(case in any_case()) {
        let mut plane = numbered(case.layout.size() as usize, 3);
        let pairs = pairs(&case, 0);
        let end = pairs.iter().map(|pair| pair.1 + 1).max().unwrap();
        let mut out = numbered(end + 5, 4);
        let mut expected = out.clone();
        for (from, to) in &pairs {
            expected[*to] = plane[*from];
        }
        let memory = VolatileSlice::from(&mut plane[..]);

        let stride = case.stride as u64;
        let slice = VolatileSlice::from(&mut out[..]);
        read_plane(&memory, &case.layout, case.rect, &slice, stride).unwrap();

        prop_assert_eq!(&out, &expected);

        let slice = VolatileSlice::from(&mut out[..end - 1]);
        let result = read_plane(&memory, &case.layout, case.rect, &slice, stride);
        let is_too_short = matches!(result, Err(Error::DestinationTooShort { .. }));
        prop_assert!(is_too_short);
        prop_assert_eq!(&out, &expected);
    }
}

#[test]
fn memory_shorter_than_the_plane_is_not_touched() {
    let layout = Layout::packed(4, 4, DrmFourcc::R8).unwrap();
    let mut bytes = [7_u8; 15];
    let (_memory, list) = scatter(&[1; 16], &[5]);
    let scattered = Scattered {
        list: &list,
        offset: 0,
        stride: 4,
    };

    let slice = VolatileSlice::from(&mut bytes[..]);
    let written = write_plane(&scattered, &slice, &layout, layout.bounds());
    assert!(matches!(
        written,
        Err(Error::DestinationTooShort {
            needed: 16,
            available: 15
        })
    ));
    let mut out = [0_u8; 16];
    let target = VolatileSlice::from(&mut out[..]);
    assert!(matches!(
        read_plane(&slice, &layout, layout.bounds(), &target, 4),
        Err(Error::SourceTooShort {
            needed: 16,
            available: 15
        })
    ));
    assert_eq!(bytes, [7; 15]);
    assert_eq!(out, [0; 16]);
}

#[test]
fn numbers_that_wrap_are_too_short_a_source() {
    let layout = Layout::packed(4, 4, DrmFourcc::R8).unwrap();
    let mut bytes = [7_u8; 16];
    let (_memory, list) = scatter(&[1; 16], &[16]);
    for (offset, stride) in [(u64::MAX, 4), (0, u64::MAX), (u64::MAX - 3, u64::MAX)] {
        let scattered = Scattered {
            list: &list,
            offset,
            stride,
        };
        let slice = VolatileSlice::from(&mut bytes[..]);

        let result = write_plane(&scattered, &slice, &layout, layout.bounds());

        assert!(matches!(result, Err(Error::SourceTooShort { .. })));
    }
    assert_eq!(bytes, [7; 16]);
}

#[test]
fn a_rectangle_must_lie_in_the_plane() {
    let layout = Layout::packed(4, 4, DrmFourcc::R8).unwrap();
    let mut bytes = [7_u8; 16];
    let mut out = [0_u8; 16];
    for rect in [
        Rect::new(0, 0, 5, 1),
        Rect::new(1, 1, 0, 1),
        Rect::new(4, 0, 1, 1),
    ] {
        let memory = VolatileSlice::from(&mut bytes[..]);
        let target = VolatileSlice::from(&mut out[..]);

        let result = read_plane(&memory, &layout, rect, &target, 4);

        assert!(
            matches!(result, Err(Error::OutsidePicture { .. })),
            "{rect:?}"
        );
    }
}
