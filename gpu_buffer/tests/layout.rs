//! Layouts say where pixels are, for every size a guest can name.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use gpu_buffer::{DrmFourcc, Error, Layout, Rect, Span, bytes_per_pixel, channel_order};
use proptest::prelude::*;

const XRGB: DrmFourcc = DrmFourcc::Xrgb8888;

/// The span as the definition of a linear picture has it, in numbers that cannot overflow.
fn naive_span(layout: &Layout, rect: &Rect) -> Option<(u128, u128, u128)> {
    let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(u128::from);
    let stride = u128::from(layout.stride());
    let inside = x + width <= layout.width().into() && y + height <= layout.height().into();
    if !inside || width == 0 || height == 0 {
        return None;
    }
    let first = y * stride + x * 4;
    let last_row = (y + height - 1) * stride + x * 4;
    Some((first, width * 4, last_row + width * 4))
}

fn any_coordinate() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..70, any::<u32>(), Just(0x4000_0001), Just(u32::MAX)]
}

proptest! {
    #[test]
    fn a_packed_row_is_four_bytes_a_pixel_or_an_error(
        width in any_coordinate(),
        height in any_coordinate(),
    ) {
        let row = u128::from(width) * 4;
        match Layout::packed(width, height, XRGB) {
            Ok(layout) => {
                prop_assert_eq!(u128::from(layout.stride()), row);
                prop_assert_eq!(u128::from(layout.size()), row * u128::from(height));
            }
            Err(Error::EmptyPicture { .. }) => prop_assert!(width == 0 || height == 0),
            Err(Error::RowTooLong { .. }) => prop_assert!(row > u128::from(u32::MAX)),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn a_span_is_where_the_definition_of_a_linear_picture_puts_it(
        width in 1_u32..40,
        height in prop_oneof![1_u32..40, any::<u32>().prop_map(|height| height.max(1))],
        gap in prop_oneof![0_u32..9, Just(u32::MAX - 160)],
        x in any_coordinate(),
        y in any_coordinate(),
        rect_width in any_coordinate(),
        rect_height in any_coordinate(),
    ) {
        let layout = Layout::with_stride(width, height, width * 4 + gap, XRGB).unwrap();
        let rect = Rect::new(x, y, rect_width, rect_height);

        let span = layout.span(&rect);

        let found = span.map(|s| (s.first.into(), s.row_bytes.into(), s.end.into()));
        prop_assert_eq!(found, naive_span(&layout, &rect));
        if let Some(span) = span {
            prop_assert_eq!(span.rows, rect_height);
            prop_assert_eq!(span.stride, u64::from(layout.stride()));
            prop_assert!(span.end <= layout.size());
        }
    }
}

#[test]
fn the_last_pixel_of_a_padded_picture_ends_before_the_gap() {
    let layout = Layout::with_stride(3, 2, 16, XRGB).unwrap();

    let span = layout.span(&Rect::new(1, 0, 2, 2));

    let expected = Span {
        first: 4,
        row_bytes: 8,
        rows: 2,
        stride: 16,
        end: 28,
    };
    assert_eq!(span, Some(expected));
    assert_eq!(layout.size(), 32);
}

#[test]
fn a_width_whose_stride_wraps_to_four_bytes_is_refused() {
    // CVE-2026-3886: 0x40000001 * 4 is 4 in 32 bits.
    let error = Layout::packed(0x4000_0001, 128, DrmFourcc::Argb8888).unwrap_err();

    assert!(matches!(
        error,
        Error::RowTooLong {
            width: 0x4000_0001,
            bytes_per_pixel: 4
        }
    ));
}

#[test]
fn the_largest_numbers_are_refused_or_counted_exactly() {
    assert!(matches!(
        Layout::packed(u32::MAX, u32::MAX, XRGB),
        Err(Error::RowTooLong { .. })
    ));
    let largest = Layout::packed(0x3fff_ffff, u32::MAX, XRGB).unwrap();
    assert_eq!(largest.size(), 0xffff_fffc * 0xffff_ffff);
    let last_pixel = Rect::new(0x3fff_fffe, 0xffff_fffe, 1, 1);
    assert_eq!(largest.span(&last_pixel).unwrap().end, largest.size());
}

#[test]
fn a_rectangle_whose_edge_wraps_is_outside() {
    let layout = Layout::packed(64, 64, XRGB).unwrap();

    assert_eq!(layout.span(&Rect::new(63, 0, u32::MAX, 1)), None);
    assert_eq!(layout.span(&Rect::new(1, 1, u32::MAX, u32::MAX)), None);
    assert_eq!(layout.span(&Rect::new(u32::MAX, u32::MAX, 1, 1)), None);
}

#[test]
fn a_picture_without_pixels_is_refused() {
    for (width, height) in [(0, 1), (1, 0), (0, 0)] {
        assert!(matches!(
            Layout::packed(width, height, XRGB),
            Err(Error::EmptyPicture { .. })
        ));
    }
}

#[test]
fn rows_may_not_overlap() {
    assert!(matches!(
        Layout::with_stride(4, 4, 15, XRGB),
        Err(Error::StrideTooShort {
            stride: 15,
            row_bytes: 16
        })
    ));
}

#[test]
fn other_formats_are_refused() {
    let planar = DrmFourcc::Nv12;

    assert_eq!(bytes_per_pixel(planar), None);
    assert!(matches!(
        Layout::packed(4, 4, planar),
        Err(Error::UnsupportedFormat { format }) if format == planar
    ));
}

#[test]
fn the_channels_stand_in_memory_as_virtio_names_them() {
    // VIRTIO 1.4 §5.7.6.8 names formats by their bytes in memory; DRM by a little-endian word.
    let formats: [(DrmFourcc, &str); 8] = [
        (DrmFourcc::Argb8888, "BGRA"),
        (DrmFourcc::Xrgb8888, "BGRX"),
        (DrmFourcc::Bgra8888, "ARGB"),
        (DrmFourcc::Bgrx8888, "XRGB"),
        (DrmFourcc::Abgr8888, "RGBA"),
        (DrmFourcc::Rgbx8888, "XBGR"),
        (DrmFourcc::Rgba8888, "ABGR"),
        (DrmFourcc::Xbgr8888, "RGBX"),
    ];
    for (format, memory) in formats {
        let order = channel_order(format).unwrap();
        assert_eq!(memory.find('R'), Some(order.red), "{memory}");
        assert_eq!(memory.find('G'), Some(order.green), "{memory}");
        assert_eq!(memory.find('B'), Some(order.blue), "{memory}");
        assert_eq!(memory.find('A'), order.alpha, "{memory}");
        assert_eq!(bytes_per_pixel(format), Some(4));
    }
}

#[test]
fn taking_the_fourth_byte_as_alpha_moves_no_channel() {
    for format in [
        DrmFourcc::Xrgb8888,
        DrmFourcc::Xbgr8888,
        DrmFourcc::Bgrx8888,
        DrmFourcc::Rgbx8888,
        DrmFourcc::Argb8888,
    ] {
        let layout = Layout::packed(3, 2, format).unwrap();

        let with_alpha = layout.with_alpha();

        let before = channel_order(format).unwrap();
        let after = channel_order(with_alpha.format()).unwrap();
        assert_eq!(
            (after.red, after.green, after.blue),
            (before.red, before.green, before.blue)
        );
        assert!(after.alpha.is_some());
        assert_eq!(with_alpha.size(), layout.size());
    }
}
