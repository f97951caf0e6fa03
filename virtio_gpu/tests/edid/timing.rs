//! The mode that a monitor prefers, and its timing.

use virtio_gpu::edid::generate;

use crate::parse::{Timing, blocks, displayid_timing, first_timing, native};
use crate::{MODES, request};

#[test]
fn the_preferred_mode_has_the_exact_size_and_the_refresh_rate() {
    for (width, height, refresh) in MODES {
        let timing = native(&generate(&request(width, height, refresh)));

        assert_eq!(timing.size(), (width.into(), height.into()));
        let wanted = f64::from(refresh) / 1000.0;
        let error = (timing.refresh() - wanted).abs() / wanted;
        assert!(error < 0.001, "{width}x{height}: {} Hz", timing.refresh());
    }
}

#[test]
fn a_timing_leaves_room_for_sync_and_460_microseconds_of_blanking() {
    for (width, height, refresh) in MODES {
        let timing = native(&generate(&request(width, height, refresh)));

        assert!(timing.h_front + timing.h_sync < timing.h_blank);
        assert!(timing.v_front + timing.v_sync + 6 <= timing.v_blank);
        let blanking = timing.v_blank as f64 / timing.lines_per_second();
        assert!(blanking > 459e-6, "{width}x{height}: {blanking} s");
    }
}

#[test]
fn full_hd_has_the_reduced_blanking_timing_of_cvt() {
    let edid = generate(&request(1920, 1080, 60_000));

    // CVT with reduced blanking: 2080 x 1111 at 60 Hz is 138.65 MHz.
    assert_eq!(
        first_timing(blocks(&edid)[0]),
        Timing {
            clock_khz: 138_650,
            width: 1920,
            h_blank: 160,
            h_front: 48,
            h_sync: 32,
            height: 1080,
            v_blank: 31,
            v_front: 3,
            v_sync: 5,
        }
    );
}

#[test]
fn a_displayid_timing_has_the_same_blanking() {
    let edid = generate(&request(3840, 2160, 120_000));

    // 460 us of 2160 lines at 120 Hz is 127 lines: 4000 x 2287 at 120 Hz.
    assert_eq!(
        displayid_timing(blocks(&edid)[2]),
        Timing {
            clock_khz: 1_097_760,
            width: 3840,
            h_blank: 160,
            h_front: 48,
            h_sync: 32,
            height: 2160,
            v_blank: 127,
            v_front: 3,
            v_sync: 5,
        }
    );
}

#[test]
fn the_clock_is_rounded_to_the_nearest_10_kilohertz() {
    let edid = generate(&request(1280, 800, 60_000));

    // 1440 x 823 at 60 Hz is 71.1072 MHz.
    assert_eq!(first_timing(blocks(&edid)[0]).clock_khz, 71_110);
}

#[test]
fn the_sync_pulse_tells_the_aspect_ratio_as_in_cvt() {
    let cases = [
        (1024, 768, 4),
        (1600, 900, 5),
        (1280, 800, 6),
        (1280, 1024, 7),
        (1280, 768, 7),
        (1000, 1000, 10),
    ];
    for (width, height, lines) in cases {
        let timing = native(&generate(&request(width, height, 60_000)));

        assert_eq!(timing.v_sync, lines, "{width}x{height}");
    }
}

#[test]
fn a_base_block_is_enough_up_to_4095_pixels_and_655_megahertz() {
    for (width, height, refresh) in [
        (3840, 2160, 60_000),
        (4095, 2160, 60_000),
        (1920, 1080, 240_000),
    ] {
        let edid = generate(&request(width, height, refresh));

        assert_eq!(blocks(&edid).len(), 2, "{width}x{height}");
    }
}

#[test]
fn beyond_a_base_block_displayid_carries_the_mode() {
    for (width, height, refresh) in [
        (4096, 2160, 60_000),
        (2160, 4096, 60_000),
        (4000, 4000, 60_000),
        (1920, 1080, 360_000),
    ] {
        let edid = generate(&request(width, height, refresh));

        let blocks = blocks(&edid);
        assert_eq!(blocks.len(), 3, "{width}x{height}");
        let timing = displayid_timing(blocks[2]);
        assert_eq!(timing.size(), (width.into(), height.into()));
    }
}

#[test]
fn the_base_block_then_stands_in_with_60_hertz_or_a_common_size() {
    let cases = [
        ((3840, 2160, 120_000), (3840, 2160)),
        ((7680, 4320, 60_000), (1920, 1080)),
        ((5120, 1440, 240_000), (1920, 1080)),
        ((8192, 1000, 60_000), (1280, 720)),
        ((900, 8192, 60_000), (640, 480)),
    ];
    for ((width, height, refresh), expected) in cases {
        let edid = generate(&request(width, height, refresh));

        let base = blocks(&edid)[0];
        assert_eq!(first_timing(base).size(), expected);
        assert!((first_timing(base).refresh() - 60.0).abs() < 0.1);
        assert_eq!(base[24] & 2, 0, "the first timing is not native");
    }
}

#[test]
fn nonsense_becomes_the_nearest_valid_mode() {
    let cases = [
        ((0, 0, 0), (1024, 768), 60.0),
        ((0, 600, 60_000), (1024, 768), 60.0),
        ((800, 0, 60_000), (1024, 768), 60.0),
        ((1, 1, 60_000), (64, 64), 60.0),
        ((800, 600, 1), (800, 600), 20.0),
        ((800, 600, u32::MAX), (800, 600), 1000.0),
        ((65_535, 65_535, 60_000), (16_384, 16_384), 60.0),
        ((u32::MAX, u32::MAX, 60_000), (16_384, 16_384), 60.0),
    ];
    for ((width, height, refresh), size, hertz) in cases {
        let timing = native(&generate(&request(width, height, refresh)));

        assert_eq!(timing.size(), size, "{width}x{height}");
        assert!((timing.refresh() / hertz - 1.0).abs() < 0.001);
    }
}

#[test]
fn a_clock_too_fast_for_any_timing_is_the_fastest_there_is() {
    let timing = native(&generate(&request(u32::MAX, u32::MAX, u32::MAX)));

    assert_eq!(timing.clock_khz, 167_772_160);
    assert_eq!(timing.size(), (16_384, 16_384));
}
