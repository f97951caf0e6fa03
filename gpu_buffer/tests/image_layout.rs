//! Where planes lie, as `drm_fourcc.h` and the definitions of the formats have it.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use gpu_buffer::{DrmFourcc, Error, ImageLayout, PlanePlace, Rect, planes_of};
use proptest::prelude::*;

/// Width and height in samples, bytes of a sample, offset and stride of each plane.
fn planes(layout: &ImageLayout) -> Vec<(u32, u32, u32, u64, u32)> {
    let of = |plane: &gpu_buffer::Plane| {
        let samples = plane.layout();
        (
            samples.width(),
            samples.height(),
            samples.bytes_per_pixel(),
            plane.offset(),
            samples.stride(),
        )
    };
    layout.planes().iter().map(of).collect()
}

#[test]
fn nv12_is_luminance_and_then_pairs_of_chrominance_at_half_the_resolution() {
    let layout = ImageLayout::packed(16, 8, DrmFourcc::Nv12).unwrap();

    assert_eq!(planes(&layout), [(16, 8, 1, 0, 16), (8, 4, 2, 128, 16)]);
    assert_eq!(layout.size(), 192);
}

#[test]
fn p010_is_nv12_with_two_bytes_a_sample() {
    let layout = ImageLayout::packed(16, 8, DrmFourcc::P010).unwrap();

    assert_eq!(planes(&layout), [(16, 8, 2, 0, 32), (8, 4, 4, 256, 32)]);
    assert_eq!(layout.size(), 384);
}

#[test]
fn yu12_and_yv12_have_three_planes_of_one_byte_a_sample() {
    for format in [DrmFourcc::Yuv420, DrmFourcc::Yvu420] {
        let layout = ImageLayout::packed(16, 8, format).unwrap();

        let expected = [(16, 8, 1, 0, 16), (8, 4, 1, 128, 8), (8, 4, 1, 160, 8)];
        assert_eq!(planes(&layout), expected);
        assert_eq!(layout.size(), 192);
    }
}

#[test]
fn an_odd_picture_has_samples_for_its_last_column_and_row() {
    let layout = ImageLayout::packed(5, 3, DrmFourcc::Nv12).unwrap();

    assert_eq!(planes(&layout), [(5, 3, 1, 0, 5), (3, 2, 2, 15, 6)]);
    assert_eq!(layout.size(), 27);
}

#[test]
fn plain_formats_are_one_plane_of_themselves() {
    let bytes = [
        (DrmFourcc::Xrgb8888, 4),
        (DrmFourcc::Argb8888, 4),
        (DrmFourcc::Xbgr8888, 4),
        (DrmFourcc::Abgr8888, 4),
        (DrmFourcc::Bgrx8888, 4),
        (DrmFourcc::Bgra8888, 4),
        (DrmFourcc::Rgbx8888, 4),
        (DrmFourcc::Rgba8888, 4),
        (DrmFourcc::Rgb565, 2),
        (DrmFourcc::R8, 1),
        (DrmFourcc::R16, 2),
        (DrmFourcc::Gr88, 2),
        (DrmFourcc::Gr1616, 4),
    ];
    for (format, pixel) in bytes {
        let layout = ImageLayout::packed(3, 2, format).unwrap();

        assert_eq!(planes(&layout), [(3, 2, pixel, 0, 3 * pixel)], "{format}");
        assert_eq!(layout.plane(0).unwrap().layout().format(), format);
    }
}

#[test]
fn strides_are_aligned_where_a_device_wants_it() {
    let layout = ImageLayout::aligned(100, 2, DrmFourcc::Yuv420, 64).unwrap();

    let expected = [
        (100, 2, 1, 0, 128),
        (50, 1, 1, 256, 64),
        (50, 1, 1, 320, 64),
    ];
    assert_eq!(planes(&layout), expected);
    assert_eq!(
        ImageLayout::aligned(3, 1, DrmFourcc::R8, 0).unwrap().size(),
        3
    );
}

#[test]
fn places_of_others_are_taken_as_they_are_when_they_can_be_a_picture() {
    let place = |offset, stride| PlanePlace { offset, stride };
    let nv12 = |places: &[PlanePlace]| ImageLayout::from_places(16, 8, DrmFourcc::Nv12, places);

    let layout = nv12(&[place(4096, 32), place(0, 64)]).unwrap();
    assert_eq!(planes(&layout), [(16, 8, 1, 4096, 32), (8, 4, 2, 0, 64)]);
    assert_eq!(layout.size(), 4096 + 8 * 32);

    assert!(matches!(
        nv12(&[place(0, 16)]),
        Err(Error::PlaneCount {
            expected: 2,
            got: 1,
            ..
        })
    ));
    assert!(matches!(
        nv12(&[place(0, 16), place(128, 15)]),
        Err(Error::StrideTooShort {
            stride: 15,
            row_bytes: 16
        })
    ));
    assert!(matches!(
        nv12(&[place(u64::MAX - 127, 16), place(0, 16)]),
        Err(Error::BufferTooLarge { .. })
    ));
    assert!(matches!(
        layout.plane(2),
        Err(Error::NoSuchPlane {
            index: 2,
            planes: 2
        })
    ));
}

#[test]
fn what_cannot_be_a_picture_is_refused() {
    let packed = |width, height, format| ImageLayout::packed(width, height, format);

    assert!(matches!(
        packed(0, 4, DrmFourcc::Nv12),
        Err(Error::EmptyPicture { .. })
    ));
    assert!(matches!(
        packed(4, 4, DrmFourcc::Yuyv),
        Err(Error::UnsupportedFormat { .. })
    ));
    assert!(matches!(
        packed(u32::MAX, 1, DrmFourcc::P010),
        Err(Error::RowTooLong { .. })
    ));
    assert!(planes_of(DrmFourcc::Yuyv).is_none());
}

#[test]
fn half_a_sample_beyond_an_odd_edge_is_outside() {
    let layout = ImageLayout::packed(5, 3, DrmFourcc::Nv12).unwrap();
    let chrominance = layout.plane(1).unwrap();

    let samples = chrominance.samples_of(Rect::new(4, 2, 1, 1));
    assert_eq!(samples, Some(Rect::new(2, 1, 1, 1)));
    assert_eq!(chrominance.samples_of(Rect::new(4, 2, 2, 1)), None);
    assert_eq!(chrominance.samples_of(Rect::new(4, 2, 1, 2)), None);
}

proptest! {
    #[test]
    fn no_numbers_wrap_and_planes_do_not_overlap(
        width in any::<u32>(),
        height in any::<u32>(),
        alignment in prop_oneof![0_u32..300, any::<u32>()],
        format in prop_oneof![
            Just(DrmFourcc::Nv12), Just(DrmFourcc::P010), Just(DrmFourcc::Yuv420), Just(DrmFourcc::R8),
        ],
    ) {
        if let Ok(layout) = ImageLayout::aligned(width, height, format, alignment) {
            let mut end = 0_u128;
            for plane in layout.planes() {
                prop_assert_eq!(u128::from(plane.offset()), end);
                end += u128::from(plane.layout().stride()) * u128::from(plane.layout().height());
                prop_assert!(u128::from(plane.end()) <= end);
            }
            prop_assert_eq!(u128::from(layout.size()), end);
        }
    }

    #[test]
    fn a_pixel_is_among_the_samples_of_every_rectangle_that_has_it(
        (width, height) in (1_u32..20, 1_u32..20),
        (x, y) in (0_u32..20, 0_u32..20),
        (rect_width, rect_height) in (0_u32..20, 0_u32..20),
    ) {
        let layout = ImageLayout::packed(width, height, DrmFourcc::Nv12).unwrap();
        let rect = Rect::new(x, y, rect_width, rect_height);
        let inside = x + rect_width <= width && y + rect_height <= height;

        let samples = layout.planes()[1].samples_of(rect);

        prop_assert_eq!(samples.is_some(), inside && rect_width > 0 && rect_height > 0);
        if let Some(samples) = samples {
            for (pixel_x, pixel_y) in [(x, y), (x + rect_width - 1, y + rect_height - 1)] {
                let sample = Rect::new(pixel_x / 2, pixel_y / 2, 1, 1);
                prop_assert!(samples.contains(&sample));
            }
            prop_assert!(layout.planes()[1].layout().bounds().contains(&samples));
            prop_assert!(samples.width <= rect_width / 2 + 1);
        }
    }
}
