//! Who made the monitor, what it is called, and how large it is.

use virtio_gpu::edid::{EdidRequest, generate};

use crate::parse::{blocks, displayid_blocks, millimetres, text};
use crate::request;

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
