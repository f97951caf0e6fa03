//! A DisplayID 1.3 section in an extension block, for modes beyond a base
//! block: what VESA DisplayID 1.3 §3 demands of every section, and a type I
//! detailed timing (§4.4.1).
//!
//! Version 1.3, not 2.0, because older kernels know no other.

use super::base::display_name;
use super::timing::Timing;
use super::{Display, checksum, finish};

const TAG: u8 = 0x70;
const VERSION: u8 = 0x13;
const STANDALONE_DISPLAY: u8 = 3;
const NO_MORE_SECTIONS: u8 = 0;

const PRODUCT_IDENTIFICATION: u8 = 0x00;
const DISPLAY_PARAMETERS: u8 = 0x01;
const TYPE_I_TIMING: u8 = 0x03;
const DISPLAY_INTERFACE: u8 = 0x0f;

/// The extension block's 128 bytes.
pub(super) fn block(display: &Display<'_>) -> Vec<u8> {
    let data = [
        data_block(PRODUCT_IDENTIFICATION, &product(display)),
        data_block(DISPLAY_PARAMETERS, &parameters(display)),
        data_block(TYPE_I_TIMING, &detailed_timing(&display.preferred)),
        data_block(DISPLAY_INTERFACE, &INTERFACE),
    ]
    .concat();
    let mut section = vec![VERSION, length(&data), STANDALONE_DISPLAY, NO_MORE_SECTIONS];
    section.extend(data);
    section.push(checksum(&section));
    section.insert(0, TAG);
    finish(section)
}

/// A data block of revision 0: its tag, its length, its bytes.
fn data_block(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag, 0, length(bytes)], bytes].concat()
}

fn length(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).unwrap_or(0)
}

/// The product identification block (§4.1).
fn product(display: &Display<'_>) -> Vec<u8> {
    const MANUFACTURER: [u8; 3] = *b"VGP";
    const PRODUCT: [u8; 2] = [0x01, 0x00];
    /// A model year instead of a week and year of manufacture: 2025.
    const MODEL_YEAR: [u8; 2] = [0xff, 25];

    let name = display_name(display.name);
    let mut bytes = Vec::new();
    bytes.extend(MANUFACTURER);
    bytes.extend(PRODUCT);
    bytes.extend(display.serial.to_le_bytes());
    bytes.extend(MODEL_YEAR);
    bytes.push(length(name.as_bytes()));
    bytes.extend(name.bytes());
    bytes
}

/// The display parameters block (§4.2).
fn parameters(display: &Display<'_>) -> Vec<u8> {
    /// No audio, no fixed timing or format.
    const FEATURES: u8 = 0;
    /// 2.2, the gamma of sRGB.
    const GAMMA: u8 = 120;
    /// 8 bits a colour, overall and native, stored less 1.
    const DEPTH: u8 = 7 << 4 | 7;

    let Timing { width, height, .. } = display.preferred;
    let mut bytes = Vec::new();
    // Tenths of a millimetre, then native pixels.
    bytes.extend(display.size.width.saturating_mul(10).to_le_bytes());
    bytes.extend(display.size.height.saturating_mul(10).to_le_bytes());
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend([FEATURES, GAMMA, shape(width, height), DEPTH]);
    bytes
}

/// The long side by the short one, in hundredths above 1.
fn shape(width: u16, height: u16) -> u8 {
    let long = u32::from(width.max(height)).saturating_mul(100);
    let short = u32::from(width.min(height));
    let hundredths = long.checked_div(short).unwrap_or(100);
    u8::try_from(hundredths.saturating_sub(100)).unwrap_or(u8::MAX)
}

/// The display interface block (§4.11): DisplayPort 1.2 of four lanes with
/// 8 bits of RGB, no content protection, no spread spectrum.
const INTERFACE: [u8; 10] = [0xa4, 0x12, 0x02, 0, 0, 0, 0, 0, 0, 0];

/// The 20 bytes of a type I timing: every number is stored less 1.
fn detailed_timing(timing: &Timing) -> Vec<u8> {
    const PREFERRED: u8 = 1 << 7;
    const POSITIVE: u16 = 1 << 15;

    let [clock_low, clock_middle, clock_high, _] = timing.clock.saturating_sub(1).to_le_bytes();
    let less_1 = |value: u16| value.saturating_sub(1);
    let mut bytes = vec![
        clock_low,
        clock_middle,
        clock_high,
        PREFERRED | aspect_ratio(timing),
    ];
    for value in [
        less_1(timing.width),
        less_1(Timing::H_BLANK),
        less_1(Timing::H_FRONT) | POSITIVE,
        less_1(Timing::H_SYNC),
        less_1(timing.height),
        less_1(timing.v_blank),
        less_1(Timing::V_FRONT),
        less_1(timing.v_sync),
    ] {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

/// The code of the aspect ratio, 8 for one without a code.
fn aspect_ratio(timing: &Timing) -> u8 {
    const RATIOS: [(u32, u32); 8] = [
        (1, 1),
        (5, 4),
        (4, 3),
        (15, 9),
        (16, 9),
        (16, 10),
        (64, 27),
        (256, 135),
    ];
    let (width, height) = (u32::from(timing.width), u32::from(timing.height));
    let found = RATIOS.iter().position(|(horizontal, vertical)| {
        width.saturating_mul(*vertical) == height.saturating_mul(*horizontal)
    });
    found.and_then(|code| u8::try_from(code).ok()).unwrap_or(8)
}
