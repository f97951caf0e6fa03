//! Generated EDIDs, read back by a parser written from VESA E-EDID 1.4,
//! DisplayID 1.3 and CTA-861, and judged by `edid-decode` where it is
//! installed.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use proptest::prelude::*;
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use virtio_gpu::edid::{EdidRequest, generate};

/// A detailed timing, of a base block or a DisplayID section.
#[derive(Debug, PartialEq)]
struct Timing {
    clock_khz: u64,
    width: u64,
    h_blank: u64,
    h_front: u64,
    h_sync: u64,
    height: u64,
    v_blank: u64,
    v_front: u64,
    v_sync: u64,
}

impl Timing {
    fn refresh(&self) -> f64 {
        let pixels = (self.width + self.h_blank) * (self.height + self.v_blank);
        self.clock_khz as f64 * 1000.0 / pixels as f64
    }

    fn lines_per_second(&self) -> f64 {
        self.clock_khz as f64 * 1000.0 / (self.width + self.h_blank) as f64
    }

    fn size(&self) -> (u64, u64) {
        (self.width, self.height)
    }
}

fn request(width: u32, height: u32, refresh_millihertz: u32) -> EdidRequest<'static> {
    EdidRequest {
        width,
        height,
        refresh_millihertz,
        width_mm: 0,
        height_mm: 0,
        name: "Screen 1",
        serial: 42,
    }
}

/// Checks what holds for every EDID and splits it into blocks.
fn blocks(edid: &[u8]) -> Vec<&[u8]> {
    assert!(edid.len() <= 1024);
    assert_eq!(edid.len() % 128, 0);
    let blocks: Vec<_> = edid.chunks(128).collect();
    for block in &blocks {
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        assert_eq!(sum % 256, 0, "checksum");
    }
    assert_eq!(blocks[0][..8], [0, 255, 255, 255, 255, 255, 255, 0]);
    assert_eq!(usize::from(blocks[0][126]), blocks.len() - 1);
    blocks
}

fn word(low: u8, high: u8) -> u64 {
    u64::from(high) << 8 | u64::from(low)
}

/// The first detailed timing of a base block (E-EDID 1.4 §3.10.2).
fn first_timing(base: &[u8]) -> Timing {
    let bytes = &base[54..72];
    assert_eq!(bytes[17], 0x1a, "digital separate sync, +h -v");
    Timing {
        clock_khz: word(bytes[0], bytes[1]) * 10,
        width: word(bytes[2], bytes[4] >> 4),
        h_blank: word(bytes[3], bytes[4] & 15),
        height: word(bytes[5], bytes[7] >> 4),
        v_blank: word(bytes[6], bytes[7] & 15),
        h_front: word(bytes[8], bytes[11] >> 6),
        h_sync: word(bytes[9], bytes[11] >> 4 & 3),
        v_front: u64::from(bytes[10] >> 4 | (bytes[11] >> 2 & 3) << 4),
        v_sync: u64::from(bytes[10] & 15 | (bytes[11] & 3) << 4),
    }
}

/// Width and height in millimetres of the first detailed timing.
fn millimetres(base: &[u8]) -> (u64, u64) {
    (word(base[66], base[68] >> 4), word(base[67], base[68] & 15))
}

/// The descriptor with that tag, without its five leading bytes.
fn descriptor(base: &[u8], tag: u8) -> Option<&[u8]> {
    let mut found = base[54..126]
        .chunks(18)
        .filter(|bytes| bytes[..3] == [0, 0, 0] && bytes[3] == tag);
    let descriptor = found.next();
    assert!(found.next().is_none(), "tag {tag:#x} twice");
    descriptor
}

/// The text of a name or serial descriptor.
fn text(base: &[u8], tag: u8) -> String {
    let bytes = &descriptor(base, tag).expect("a text")[5..];
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(13);
    assert!(bytes[(end + 1).min(13)..].iter().all(|byte| *byte == b' '));
    String::from_utf8(bytes[..end].to_vec()).unwrap()
}

/// The data blocks of a DisplayID section: tag and payload.
fn displayid_blocks(extension: &[u8]) -> Vec<(u8, &[u8])> {
    assert_eq!(extension[0], 0x70);
    assert_eq!(extension[1], 0x13, "version 1.3");
    let length = usize::from(extension[2]);
    let section: u32 = extension[1..length + 6].iter().map(|b| u32::from(*b)).sum();
    assert_eq!(section % 256, 0, "section checksum");
    let mut rest = &extension[5..5 + length];
    let mut found = Vec::new();
    while let [tag, _, length, ..] = rest {
        let (data, after) = rest[3..].split_at(usize::from(*length));
        found.push((*tag, data));
        rest = after;
    }
    assert!(rest.is_empty());
    found
}

/// The preferred type I timing of a DisplayID section (DisplayID 1.3 §4.4.1).
fn displayid_timing(extension: &[u8]) -> Timing {
    let blocks = displayid_blocks(extension);
    let (_, bytes) = blocks.iter().find(|(tag, _)| *tag == 3).expect("a timing");
    assert_eq!(bytes.len(), 20);
    assert_eq!(bytes[3] >> 7, 1, "preferred");
    let value = |at: usize| word(bytes[at], bytes[at + 1] & 0x7f) + 1;
    Timing {
        clock_khz: (word(bytes[0], bytes[1]) + (u64::from(bytes[2]) << 16) + 1) * 10,
        width: word(bytes[4], bytes[5]) + 1,
        h_blank: word(bytes[6], bytes[7]) + 1,
        h_front: value(8),
        h_sync: value(10),
        height: word(bytes[12], bytes[13]) + 1,
        v_blank: word(bytes[14], bytes[15]) + 1,
        v_front: value(16),
        v_sync: value(18),
    }
}

/// The native timing: that of the DisplayID block if there is one.
fn native(edid: &[u8]) -> Timing {
    let blocks = blocks(edid);
    match blocks.get(2) {
        Some(extension) => displayid_timing(extension),
        None => first_timing(blocks[0]),
    }
}

/// Sizes and refresh rates of real screens and odd windows.
const MODES: [(u32, u32, u32); 16] = [
    (64, 64, 60_000),
    (640, 480, 60_000),
    (801, 601, 60_000),
    (1280, 800, 59_940),
    (1366, 768, 59_790),
    (1920, 1080, 60_000),
    (1920, 1080, 23_976),
    (1080, 1920, 60_000),
    (1920, 1080, 540_000),
    (2560, 1440, 165_000),
    (3440, 1440, 100_000),
    (3840, 2160, 60_000),
    (3840, 2160, 120_000),
    (4096, 2160, 60_000),
    (5120, 1440, 240_000),
    (7680, 4320, 60_000),
];

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
fn a_displayid_section_has_the_blocks_every_section_must_have() {
    let edid = generate(&request(7680, 4320, 60_000));

    let blocks = displayid_blocks(blocks(&edid)[2]);
    let tags: Vec<_> = blocks.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(tags, [0x00, 0x01, 0x03, 0x0f]);
    assert_eq!(blocks[0].1[..3], *b"VGP");
    assert_eq!(blocks[0].1[5..9], [42, 0, 0, 0]);
    assert_eq!(blocks[0].1[11], 8);
    assert_eq!(blocks[0].1[12..], *b"Screen 1");
    // 1950 mm x 1097 mm in tenths, 7680 x 4320 pixels.
    assert_eq!(blocks[1].1[..4], [0x2c, 0x4c, 0xda, 0x2a]);
    assert_eq!(blocks[1].1[4..8], [0x00, 0x1e, 0xe0, 0x10]);
}

#[test]
fn the_base_block_describes_a_digital_srgb_display_of_vgp() {
    let edid = generate(&request(1280, 800, 60_000));

    let base = blocks(&edid)[0];
    // V, G, P are letters 22, 7, 16: 10110 00111 10000.
    assert_eq!(base[8..10], [0b0101_1000, 0b1111_0000]);
    assert_eq!(base[18..20], [1, 4], "version 1.4");
    assert_eq!(base[20], 0b1010_0101, "digital, 8 bits, DisplayPort");
    assert_eq!(base[23], 120, "gamma 2.2");
    assert_eq!(base[24], 0b0000_0110, "RGB, sRGB, first timing is native");
    let primaries = [0.640, 0.330, 0.300, 0.600, 0.150, 0.060, 0.3127, 0.3290];
    for (index, expected) in primaries.into_iter().enumerate() {
        let low = base[25 + index / 4] >> (6 - index % 4 * 2) & 3;
        let value = f64::from(u16::from(base[27 + index]) << 2 | u16::from(low)) / 1024.0;
        assert!((value - expected).abs() < 0.0006, "primary {index}");
    }
}

#[test]
fn name_and_serial_number_are_text() {
    let edid = generate(&request(1280, 800, 60_000));

    let base = blocks(&edid)[0];
    assert_eq!(text(base, 0xfc), "Screen 1");
    assert_eq!(text(base, 0xff), "0000000042");
    assert_eq!(base[12..16], [0; 4], "the text replaces the number");
}

#[test]
fn a_name_becomes_1_to_13_printable_characters() {
    let cases = [
        ("", "Virtual GPU"),
        ("   ", "Virtual GPU"),
        ("thirteen char", "thirteen char"),
        ("more than thirteen", "more than thi"),
        ("twelve chars and", "twelve chars"),
        ("na\nme\0", "na?me?"),
        ("écran", "?cran"),
    ];
    for (name, expected) in cases {
        let edid = generate(&EdidRequest {
            name,
            ..request(1280, 800, 60_000)
        });

        assert_eq!(text(blocks(&edid)[0], 0xfc), expected);
    }
}

#[test]
fn a_size_in_millimetres_is_in_both_places() {
    let edid = generate(&EdidRequest {
        width_mm: 527,
        height_mm: 296,
        ..request(1920, 1080, 60_000)
    });

    let base = blocks(&edid)[0];
    assert_eq!(millimetres(base), (527, 296));
    assert_eq!(base[21..23], [53, 30]);
}

#[test]
fn without_a_size_there_are_100_pixels_per_inch() {
    for (width_mm, height_mm) in [(0, 0), (0, 300), (300, 0)] {
        let edid = generate(&EdidRequest {
            width_mm,
            height_mm,
            ..request(1920, 1080, 60_000)
        });

        // 19.20 inches by 10.80 inches.
        assert_eq!(millimetres(blocks(&edid)[0]), (487, 274));
    }
}

#[test]
fn a_size_that_no_edid_can_say_is_brought_into_range() {
    let cases = [
        ((4000, 2000), (2550, 1275)),
        ((u32::MAX, u32::MAX), (2550, 2550)),
        ((u32::MAX, 1), (2550, 10)),
        ((1, 1), (10, 10)),
    ];
    for ((width_mm, height_mm), expected) in cases {
        let edid = generate(&EdidRequest {
            width_mm,
            height_mm,
            ..request(1920, 1080, 60_000)
        });

        assert_eq!(millimetres(blocks(&edid)[0]), expected);
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

/// The verdict of `edid-decode --check`, None where it is not installed.
fn edid_decode(edid: &[u8]) -> Option<String> {
    let started = Command::new("edid-decode")
        .arg("--check")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        started => started.expect("edid-decode starts"),
    };
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(edid).expect("edid-decode reads");
    drop(input);
    let output = child.wait_with_output().expect("edid-decode ends");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn edid_decode_finds_every_edid_conformant() {
    let nonsense = [
        (0, 0, 0),
        (1, 1, 1),
        (64, 64, u32::MAX),
        (u32::MAX, 1, 60_000),
        (u32::MAX, u32::MAX, u32::MAX),
    ];
    for (width, height, refresh) in MODES.into_iter().chain(nonsense) {
        let edid = generate(&request(width, height, refresh));

        let Some(verdict) = edid_decode(&edid) else {
            eprintln!("skipped: edid-decode is not installed");
            return;
        };
        assert!(
            verdict.contains("EDID conformity: PASS"),
            "{width}x{height} at {refresh} mHz:\n{verdict}"
        );
    }
}

proptest! {
    #[test]
    fn any_request_gives_a_valid_edid_with_a_mode_linux_takes(
        width in prop_oneof![any::<u32>(), 0_u32..5000],
        height in prop_oneof![any::<u32>(), 0_u32..5000],
        refresh_millihertz in prop_oneof![any::<u32>(), 0_u32..300_000],
        width_mm in prop_oneof![any::<u32>(), 0_u32..5000],
        height_mm in prop_oneof![any::<u32>(), 0_u32..5000],
        name in any::<String>(),
        serial in any::<u32>(),
    ) {
        let edid = generate(&EdidRequest {
            width,
            height,
            refresh_millihertz,
            width_mm,
            height_mm,
            name: &name,
            serial,
        });

        let timing = native(&edid);
        prop_assert!(timing.v_front + timing.v_sync < timing.v_blank);
        prop_assert!(timing.clock_khz >= 10_000);
        let base = blocks(&edid)[0];
        prop_assert_eq!(text(base, 0xff), format!("{serial:010}"));
        prop_assert!(!text(base, 0xfc).is_empty());
        if (64..=16_384).contains(&width) && (64..=16_384).contains(&height) {
            prop_assert_eq!(timing.size(), (width.into(), height.into()));
        }
    }
}
