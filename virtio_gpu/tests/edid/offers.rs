//! What a monitor can show besides, and within which limits.

use virtio_gpu::edid::generate;

use crate::parse::{blocks, descriptor, first_timing, native};
use crate::{MODES, request};

#[test]
fn only_common_modes_that_fit_are_offered_beside_640x480() {
    // Established timings: 640x480, 800x600 and 1024x768 at 60 Hz.
    let cases = [
        ((320, 240), [0x20, 0x00, 0], 0),
        ((640, 480), [0x20, 0x00, 0], 0),
        ((800, 600), [0x21, 0x00, 0], 0),
        ((1024, 768), [0x21, 0x08, 0], 0),
        ((1280, 800), [0x21, 0x08, 0], 2),
        ((1920, 1080), [0x21, 0x08, 0], 7),
        ((1920, 1200), [0x21, 0x08, 0], 8),
    ];
    for ((width, height), established, standard) in cases {
        let edid = generate(&request(width, height, 60_000));

        let base = blocks(&edid)[0];
        assert_eq!(base[35..38], established, "{width}x{height}");
        let used: Vec<_> = base[38..54]
            .chunks(2)
            .filter(|bytes| **bytes != [1, 1])
            .collect();
        assert_eq!(used.len(), standard, "{width}x{height}");
        for bytes in used {
            let columns = (u32::from(bytes[0]) + 31) * 8;
            let rows = match bytes[1] >> 6 {
                0 => columns * 10 / 16,
                1 => columns * 3 / 4,
                2 => columns * 4 / 5,
                _ => columns * 9 / 16,
            };
            assert!(columns <= width && rows <= height, "{columns}x{rows}");
            assert_eq!(bytes[1] & 0x3f, 0, "60 Hz");
        }
    }
}

#[test]
fn cta_861_lists_the_television_modes_that_fit_largest_first() {
    let cases: [((u32, u32), &[u8]); 4] = [
        ((1920, 1080), &[0x43, 16, 4, 1]),
        ((1280, 800), &[0x42, 4, 1]),
        ((640, 480), &[0x41, 1]),
        ((320, 240), &[]),
    ];
    for ((width, height), video) in cases {
        let edid = generate(&request(width, height, 60_000));

        let extension = blocks(&edid)[1];
        assert_eq!(extension[..2], [2, 3], "CTA-861, revision 3");
        let end = usize::from(extension[2]);
        let expected = [video, &[0xe2, 0, 0x4a]].concat();
        assert_eq!(extension[4..end], expected, "{width}x{height}");
        assert_eq!(extension[3], 0x81, "underscan, one native timing");
    }
}

#[test]
fn range_limits_include_every_timing() {
    for (width, height, refresh) in MODES {
        let edid = generate(&request(width, height, refresh));
        let base = blocks(&edid)[0];
        let Some(limits) = descriptor(base, 0xfd) else {
            assert!(refresh > 510_000, "{width}x{height} needs limits");
            continue;
        };

        let offset = |bit: u8| f64::from(limits[4] >> bit & 1) * 255.0;
        let vertical = f64::from(limits[5]) + offset(0)..=f64::from(limits[6]) + offset(1);
        let horizontal = f64::from(limits[7]) + offset(2)..=f64::from(limits[8]) + offset(3);
        for timing in [first_timing(base), native(&edid)] {
            // The clock's 10 kHz put 165 Hz some millionths off.
            let hertz = (timing.refresh() * 1000.0).floor() / 1000.0;
            assert!(vertical.contains(&hertz), "{limits:?}");
            assert!(horizontal.contains(&(timing.lines_per_second() / 1000.0)));
            assert!(timing.clock_khz <= u64::from(limits[9]) * 10_000);
        }
        assert_eq!(limits[10], 1, "limits only");
    }
}

#[test]
fn a_refresh_rate_beyond_any_range_limit_leaves_the_limits_out() {
    let edid = generate(&request(1920, 1080, 600_000));

    let base = blocks(&edid)[0];
    assert_eq!(descriptor(base, 0xfd), None);
    assert!(descriptor(base, 0x10).is_some(), "a dummy in its place");
}
