//! The base block: VESA E-EDID, release A, revision 2 (EDID 1.4), §3.

use super::timing::Timing;
use super::{Display, Millimetres, finish};

const HEADER: [u8; 8] = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
/// "VGP", five bits a letter: no manufacturer in the registry of PNP ids.
const MANUFACTURER: [u8; 2] = [0x58, 0xf0];
const PRODUCT: [u8; 2] = [0x01, 0x00];
/// The serial number has a descriptor of its own, and then belongs there only.
const NO_SERIAL: [u8; 4] = [0; 4];
/// A model year instead of a week and year of manufacture: 2025.
const MODEL_YEAR: [u8; 2] = [0xff, 35];
const VERSION: [u8; 2] = [1, 4];
/// Digital, 8 bits per colour, DisplayPort.
const INPUT: u8 = 0x80 | 0b010 << 4 | 0b0101;
/// 2.2, the gamma of sRGB.
const GAMMA: u8 = 120;
/// RGB 4:4:4, and sRGB as the default.
const FEATURES: u8 = 1 << 2;
/// The first detailed timing is native.
const FEATURE_FIRST_IS_NATIVE: u8 = 1 << 1;
/// Red, green, blue and white of sRGB, ten bits each.
const CHROMATICITY: [u8; 10] = [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54];
const UNUSED_STANDARD_TIMING: [u8; 2] = [0x01, 0x01];

const STANDARD_TIMINGS: usize = 8;
const TEXT: usize = 13;

const TAG_SERIAL: u8 = 0xff;
const TAG_RANGE_LIMITS: u8 = 0xfd;
const TAG_NAME: u8 = 0xfc;
const TAG_DUMMY: u8 = 0x10;

type Descriptor = [u8; 18];

/// The base block's 128 bytes.
pub(super) fn block(display: &Display<'_>) -> Vec<u8> {
    let (features, extensions) = if display.needs_displayid() {
        (FEATURES, 2)
    } else {
        (FEATURES | FEATURE_FIRST_IS_NATIVE, 1)
    };
    let mut block = Vec::with_capacity(super::BLOCK);
    block.extend(HEADER);
    block.extend(MANUFACTURER);
    block.extend(PRODUCT);
    block.extend(NO_SERIAL);
    block.extend(MODEL_YEAR);
    block.extend(VERSION);
    block.push(INPUT);
    block.extend([
        centimetres(display.size.width),
        centimetres(display.size.height),
    ]);
    block.push(GAMMA);
    block.push(features);
    block.extend(CHROMATICITY);
    block.extend(established_timings(display));
    block.extend(standard_timings(display));
    block.extend(detailed_timing(&display.first, display.size));
    block.extend(text(TAG_NAME, &display_name(display.name)));
    block.extend(text(TAG_SERIAL, &format!("{:010}", display.serial)));
    block.extend(range_limits(display).unwrap_or_else(|| tagged(TAG_DUMMY, [0; TEXT])));
    block.push(extensions);
    finish(block)
}

fn centimetres(millimetres: u16) -> u8 {
    u8::try_from(millimetres.saturating_add(5) / 10).unwrap_or(u8::MAX)
}

fn established_timings(display: &Display<'_>) -> [u8; 3] {
    let bits = display
        .modes
        .iter()
        .filter_map(|mode| mode.established)
        .fold(0, |bits, bit| bits | bit);
    let [first, second] = bits.to_be_bytes();
    [first, second, 0]
}

fn standard_timings(display: &Display<'_>) -> Vec<u8> {
    display
        .modes
        .iter()
        .filter_map(|mode| mode.standard)
        .chain(std::iter::repeat(UNUSED_STANDARD_TIMING))
        .take(STANDARD_TIMINGS)
        .flatten()
        .collect()
}

/// A detailed timing descriptor (§3.10.2). The timing must fit it; values that
/// do not lose their high bits.
fn detailed_timing(timing: &Timing, size: Millimetres) -> Descriptor {
    /// Digital separate sync, horizontal positive, vertical negative.
    const SYNC: u8 = 0b11 << 3 | 1 << 1;

    let [clock_low, clock_high, ..] = timing.clock.to_le_bytes();
    let [width, width_high] = timing.width.to_le_bytes();
    let [h_blank, h_blank_high] = Timing::H_BLANK.to_le_bytes();
    let [height, height_high] = timing.height.to_le_bytes();
    let [v_blank, v_blank_high] = timing.v_blank.to_le_bytes();
    let [h_front, _] = Timing::H_FRONT.to_le_bytes();
    let [h_sync, _] = Timing::H_SYNC.to_le_bytes();
    let [v_front, _] = Timing::V_FRONT.to_le_bytes();
    let [v_sync, _] = timing.v_sync.to_le_bytes();
    let [width_mm, width_mm_high] = size.width.to_le_bytes();
    let [height_mm, height_mm_high] = size.height.to_le_bytes();
    [
        clock_low,
        clock_high,
        width,
        h_blank,
        nibbles(width_high, h_blank_high),
        height,
        v_blank,
        nibbles(height_high, v_blank_high),
        h_front,
        h_sync,
        nibbles(v_front, v_sync),
        0,
        width_mm,
        height_mm,
        nibbles(width_mm_high, height_mm_high),
        0,
        0,
        SYNC,
    ]
}

fn nibbles(high: u8, low: u8) -> u8 {
    high << 4 | low & 0x0f
}

/// The name as an EDID can hold it: 1 to 13 printable characters.
pub(super) fn display_name(name: &str) -> String {
    let printable: String = name
        .trim()
        .chars()
        .map(|letter| match letter {
            ' '..='~' => letter,
            _ => '?',
        })
        .take(TEXT)
        .collect();
    match printable.trim_end() {
        "" => "Virtual GPU".to_owned(),
        name => name.to_owned(),
    }
}

/// A descriptor of ASCII text (§3.10.3): ended by a line feed, filled with
/// spaces.
fn text(tag: u8, value: &str) -> Descriptor {
    let mut letters = [b' '; TEXT];
    for (slot, letter) in letters.iter_mut().zip(value.bytes().chain([b'\n'])) {
        *slot = letter;
    }
    tagged(tag, letters)
}

fn tagged(tag: u8, payload: [u8; TEXT]) -> Descriptor {
    let mut descriptor = [0; 18];
    let bytes = [0, 0, 0, tag, 0].into_iter().chain(payload);
    for (slot, byte) in descriptor.iter_mut().zip(bytes) {
        *slot = byte;
    }
    descriptor
}

/// Lines a second, frames a thousand seconds and pixel clock of a timing.
struct Frequencies {
    lines: u64,
    frames: u64,
    clock: u64,
}

impl Frequencies {
    fn new(clock: u32, h_total: u64, v_total: u64) -> Self {
        let hertz = u64::from(clock).saturating_mul(10_000);
        let pixels = h_total.saturating_mul(v_total);
        Self {
            lines: hertz.checked_div(h_total).unwrap_or(0),
            frames: hertz.saturating_mul(1000).checked_div(pixels).unwrap_or(0),
            clock: hertz,
        }
    }
}

/// The range limits descriptor (§3.10.3.3), around every timing of the EDID;
/// None if its bytes cannot hold them.
fn range_limits(display: &Display<'_>) -> Option<Descriptor> {
    /// Limits only, without a formula for more timings.
    const BARE_LIMITS: u8 = 0x01;

    let own = [display.preferred, display.first]
        .map(|timing| Frequencies::new(timing.clock, timing.h_total(), timing.v_total()));
    let common = display
        .modes
        .iter()
        .map(|mode| Frequencies::new(mode.clock, mode.h_total.into(), mode.v_total.into()));
    let all: Vec<_> = own.into_iter().chain(common).collect();
    let vertical = Limits::new(all.iter().map(|timing| timing.frames))?;
    let horizontal = Limits::new(all.iter().map(|timing| timing.lines))?;
    let clock = all.iter().map(|timing| timing.clock).max()?;
    let payload = [
        vertical.min,
        vertical.max,
        horizontal.min,
        horizontal.max,
        u8::try_from(clock.div_ceil(10_000_000)).ok()?,
        BARE_LIMITS,
        b'\n',
        b' ',
        b' ',
        b' ',
        b' ',
        b' ',
        b' ',
    ];
    let mut descriptor = tagged(TAG_RANGE_LIMITS, payload);
    if let Some(offsets) = descriptor.get_mut(4) {
        *offsets = horizontal.offsets << 2 | vertical.offsets;
    }
    Some(descriptor)
}

/// The bytes of one range: 1 to 255, and 256 to 510 with an offset.
struct Limits {
    min: u8,
    max: u8,
    /// Bit 1: 255 is added to the maximum; bit 0: and to the minimum.
    offsets: u8,
}

impl Limits {
    /// The range in thousands of the values' unit, rounded outwards.
    fn new(values: impl Iterator<Item = u64> + Clone) -> Option<Self> {
        let min = values.clone().min()? / 1000;
        let max = values.max()?.div_ceil(1000);
        let byte = |value: u64| u8::try_from(value).ok().filter(|byte| *byte > 0);
        Some(match (byte(min), byte(max)) {
            (Some(min), Some(max)) => Self {
                min,
                max,
                offsets: 0b00,
            },
            (Some(min), None) => Self {
                min,
                max: byte(max.checked_sub(255)?)?,
                offsets: 0b10,
            },
            (None, _) => Self {
                min: byte(min.checked_sub(255)?)?,
                max: byte(max.checked_sub(255)?)?,
                offsets: 0b11,
            },
        })
    }
}
