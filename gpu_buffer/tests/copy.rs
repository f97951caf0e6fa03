//! Copies move exactly the pixels they are asked for.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use gpu_buffer::copy::{gather, is_same_bytes, read_rect, slices};
use gpu_buffer::{
    Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Error, Layout, Rect,
    ScatterList,
};
use proptest::prelude::*;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap, VolatileSlice};

const XRGB: DrmFourcc = DrmFourcc::Xrgb8888;

/// A buffer whose every byte is 0xee, so that what was not written can be told.
fn buffer(layout: Layout) -> Buffer {
    let buffer = AnonymousAllocator
        .allocate(&BufferRequest { layout })
        .unwrap();
    let memory = buffer.memory();
    memory.copy_from(&vec![0xee_u8; memory.len()]);
    buffer
}

fn bytes_of(buffer: &Buffer) -> Vec<u8> {
    let memory = buffer.memory();
    let mut bytes = vec![0; memory.len()];
    memory.copy_to(&mut bytes[..]);
    bytes
}

/// Guest memory of two adjacent regions that holds `segments` with gaps of one byte between them,
/// so that nothing merges, and the list of the segments.
fn scattered(segments: &[Vec<u8>]) -> ScatterList {
    let order: Vec<usize> = (0..segments.len()).collect();
    scattered_in_order(segments, &order, 1)
}

/// The same with any gap, the segments lying in another order than they are listed in.
fn scattered_in_order(segments: &[Vec<u8>], order: &[usize], gap: usize) -> ScatterList {
    let total: usize = segments.iter().map(|segment| segment.len() + gap).sum();
    let half = (total / 2).max(1);
    let ranges = [
        (GuestAddress(0x1000), half),
        (GuestAddress(0x1000 + half as u64), half + 2),
    ];
    let memory = GuestMemoryMmap::from_ranges(&ranges).unwrap();
    let mut at = 0x1000;
    let mut entries = vec![(0, 0); segments.len()];
    for &index in order {
        let segment = &segments[index];
        memory.write_slice(segment, GuestAddress(at)).unwrap();
        entries[index] = (at, segment.len() as u32);
        at += (segment.len() + gap) as u64;
    }
    ScatterList::resolve(&memory, entries.into_iter()).unwrap()
}

/// What `gather` promises, byte by byte.
fn naive_gather(
    source: &[u8],
    offset: u64,
    source_stride: u64,
    layout: &Layout,
    rect: &Rect,
    target: &mut [u8],
) {
    for row in 0..u64::from(rect.height) {
        for byte in 0..u64::from(rect.width) * 4 {
            let from = offset + row * source_stride + byte;
            let y = u64::from(rect.y) + row;
            let to = y * u64::from(layout.stride()) + u64::from(rect.x) * 4 + byte;
            target[to as usize] = source[from as usize];
        }
    }
}

/// So many take about a second.
fn cases() -> u32 {
    const CASES: u32 = 4000;
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(CASES)
}

/// A picture and a rectangle inside it.
fn picture_and_rect() -> impl Strategy<Value = (Layout, Rect)> {
    (1_u32..9, 1_u32..9, prop_oneof![Just(0_u32), 1_u32..9]).prop_flat_map(|(w, h, gap)| {
        let layout = Layout::with_stride(w, h, w * 4 + gap, XRGB).unwrap();
        let rect = prop_oneof![
            Just(layout.bounds()),
            (0..w, 0..h).prop_flat_map(move |(x, y)| {
                (1..=w - x, 1..=h - y).prop_map(move |(rw, rh)| Rect::new(x, y, rw, rh))
            }),
        ];
        (Just(layout), rect)
    })
}

fn segments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let segment = |longest| prop::collection::vec(any::<u8>(), 1..longest);
    prop_oneof![
        prop::collection::vec(segment(40), 0..24),
        prop::collection::vec(segment(4), 100..200),
    ]
}

/// Segments, the order in which they lie in guest memory, and the gap between them there.
fn guest_memory() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<usize>, usize)> {
    segments().prop_flat_map(|segments| {
        let order: Vec<usize> = (0..segments.len()).collect();
        let orders = prop_oneof![Just(order.clone()), Just(order).prop_shuffle()];
        (Just(segments), orders, 0_usize..2)
    })
}

proptest! {
    // `PROPTEST_CASES` asks for another number of them.
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn slices_are_the_bytes_of_the_rectangle_from_any_byte_on(
        (layout, rect) in picture_and_rect(),
        skip in 0_u64..300,
    ) {
        let buffer = buffer(layout);
        let memory = buffer.memory();
        let pattern: Vec<u8> = (0..memory.len()).map(|at| at as u8).collect();
        memory.copy_from(&pattern);
        let mut expected = Vec::new();
        read_rect(&memory, &layout, rect, XRGB, &mut expected).unwrap();

        let mut bytes = Vec::new();
        for slice in slices(&memory, &layout, rect, skip).unwrap() {
            let mut piece = vec![0; slice.len()];
            slice.copy_to(&mut piece[..]);
            prop_assert!(!piece.is_empty());
            bytes.extend(piece);
        }

        let skip = expected.len().min(skip as usize);
        prop_assert_eq!(&bytes, &expected[skip..]);
    }

    #[test]
    fn gathering_equals_copying_byte_by_byte(
        (layout, rect) in picture_and_rect(),
        (segments, order, gap) in guest_memory(),
        offset in prop_oneof![Just(0_u64), 0_u64..64],
        stride in prop_oneof![Just(None), (0_u64..64).prop_map(Some)],
    ) {
        let stride = stride.unwrap_or(u64::from(layout.stride()));
        let bytes = segments.concat();
        let source = scattered_in_order(&segments, &order, gap);
        let buffer = buffer(layout);
        let mut expected = bytes_of(&buffer);
        let needed = offset + u64::from(rect.height - 1) * stride + u64::from(rect.width) * 4;

        let result = gather(&source, offset, stride, &buffer, rect);

        if needed <= bytes.len() as u64 {
            naive_gather(&bytes, offset, stride, &layout, &rect, &mut expected);
            prop_assert!(result.is_ok());
        } else {
            let too_short = matches!(
                result,
                Err(Error::SourceTooShort { needed: n, available })
                    if n == needed && available == bytes.len() as u64
            );
            prop_assert!(too_short);
        }
        prop_assert_eq!(bytes_of(&buffer), expected);
    }

    #[test]
    fn reading_appends_the_rectangle_tightly_packed(
        (layout, rect) in picture_and_rect(),
        seed in any::<u8>(),
    ) {
        let mut bytes: Vec<u8> = (0..layout.size()).map(|i| seed.wrapping_add(i as u8)).collect();
        let mut expected = vec![1, 2, 3];
        for y in rect.y..rect.y + rect.height {
            let start = (y * layout.stride() + rect.x * 4) as usize;
            expected.extend_from_slice(&bytes[start..start + rect.width as usize * 4]);
        }
        let mut out = vec![1, 2, 3];

        read_rect(&VolatileSlice::from(&mut bytes[..]), &layout, rect, XRGB, &mut out).unwrap();

        prop_assert_eq!(out, expected);
    }
}

#[test]
fn the_source_may_end_with_the_last_row_and_not_a_byte_earlier() {
    // 4x2 pixels out of rows of 20 bytes, from byte 3 on: 3 + 20 + 16 bytes.
    let layout = Layout::packed(4, 2, XRGB).unwrap();
    let enough = scattered(&[vec![7; 38], vec![7]]);
    let short = scattered(&[vec![7; 38]]);
    let (full, untouched) = (buffer(layout), buffer(layout));

    gather(&enough, 3, 20, &full, layout.bounds()).unwrap();
    let error = gather(&short, 3, 20, &untouched, layout.bounds()).unwrap_err();

    assert_eq!(bytes_of(&full), [7; 32]);
    assert!(matches!(
        error,
        Error::SourceTooShort {
            needed: 39,
            available: 38
        }
    ));
    assert_eq!(bytes_of(&untouched), [0xee; 32]);
}

#[test]
fn offsets_and_strides_that_wrap_are_too_short_a_source() {
    let layout = Layout::packed(4, 3, XRGB).unwrap();
    let source = scattered(&[vec![7; 64]]);
    let buffer = buffer(layout);

    for (offset, stride) in [
        (u64::MAX, 16),
        (u64::MAX - 47, 16),
        (0, u64::MAX),
        (0, 1 << 63),
    ] {
        let result = gather(&source, offset, stride, &buffer, layout.bounds());
        assert!(
            matches!(result, Err(Error::SourceTooShort { available: 64, .. })),
            "{offset} {stride}"
        );
    }
    assert_eq!(bytes_of(&buffer), [0xee; 48]);
}

#[test]
fn a_rectangle_outside_the_buffer_is_refused() {
    let layout = Layout::packed(4, 4, XRGB).unwrap();
    let source = scattered(&[vec![7; 64]]);
    let buffer = buffer(layout);

    for rect in [
        Rect::new(1, 0, 4, 1),
        Rect::new(0, 4, 1, 1),
        Rect::new(2, 0, u32::MAX, 1),
        Rect::new(0, 0, 0, 4),
    ] {
        let result = gather(&source, 0, 16, &buffer, rect);
        assert!(matches!(result, Err(Error::OutsidePicture { rect: r, .. }) if r == rect));
    }
    assert_eq!(bytes_of(&buffer), [0xee; 64]);
}

/// One pixel of red 10, green 20, blue 30 and, where there is one, alpha 40, in memory.
const PIXELS: [(DrmFourcc, [u8; 4]); 8] = [
    (DrmFourcc::Argb8888, [30, 20, 10, 40]),
    (DrmFourcc::Xrgb8888, [30, 20, 10, 99]),
    (DrmFourcc::Bgra8888, [40, 10, 20, 30]),
    (DrmFourcc::Bgrx8888, [99, 10, 20, 30]),
    (DrmFourcc::Abgr8888, [10, 20, 30, 40]),
    (DrmFourcc::Xbgr8888, [10, 20, 30, 99]),
    (DrmFourcc::Rgba8888, [40, 30, 20, 10]),
    (DrmFourcc::Rgbx8888, [99, 30, 20, 10]),
];

#[test]
fn every_format_reads_as_every_other() {
    for (from, pixel) in PIXELS {
        let from_alpha = pixel.contains(&40);
        let layout = Layout::packed(2, 1, from).unwrap();
        let mut memory = [pixel, pixel].concat();
        for (to, sample) in PIXELS {
            let mut out = Vec::new();

            let slice = VolatileSlice::from(&mut memory[..]);
            read_rect(&slice, &layout, layout.bounds(), to, &mut out).unwrap();

            for (i, &byte) in out.iter().enumerate() {
                let expected = match sample[i % 4] {
                    40 if from_alpha => 40,
                    40 => 0xff,
                    99 => continue,
                    color => color,
                };
                assert_eq!(byte, expected, "{from} as {to}, byte {i}");
            }
            assert_eq!(out.len(), 8);
        }
    }
}

#[test]
fn memory_shorter_than_its_layout_is_not_read() {
    let layout = Layout::packed(2, 2, XRGB).unwrap();
    let mut memory = [5; 15];
    let mut out = vec![1];

    let slice = VolatileSlice::from(&mut memory[..]);
    let bottom = read_rect(&slice, &layout, Rect::new(0, 1, 2, 1), XRGB, &mut out);
    assert!(matches!(
        bottom,
        Err(Error::SourceTooShort {
            needed: 16,
            available: 15
        })
    ));
    assert_eq!(out, [1]);

    read_rect(&slice, &layout, Rect::new(0, 1, 1, 1), XRGB, &mut out).unwrap();
    assert_eq!(out, [1, 5, 5, 5, 5]);
}

#[test]
fn reading_into_another_kind_of_format_is_refused() {
    let layout = Layout::packed(1, 1, XRGB).unwrap();
    let mut memory = [0; 4];
    let slice = VolatileSlice::from(&mut memory[..]);

    let result = read_rect(
        &slice,
        &layout,
        layout.bounds(),
        DrmFourcc::Nv12,
        &mut vec![],
    );

    assert!(
        matches!(result, Err(Error::UnsupportedFormat { format }) if format == DrmFourcc::Nv12)
    );
}

#[test]
fn an_alpha_that_nobody_reads_makes_no_other_bytes() {
    use DrmFourcc::{Abgr8888, Argb8888, Xrgb8888};

    assert!(is_same_bytes(Xrgb8888, Xrgb8888));
    assert!(is_same_bytes(Argb8888, Xrgb8888));
    assert!(!is_same_bytes(Xrgb8888, Argb8888), "alpha would be missing");
    assert!(
        !is_same_bytes(Abgr8888, Xrgb8888),
        "red and blue change places"
    );
}
