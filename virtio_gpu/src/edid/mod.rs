//! EDIDs for displays that exist only in software.
//!
//! The device answers `GET_EDID` with [`generate`]'s bytes whenever its
//! display has no EDID of its own. The result is an EDID 1.4 base block, a
//! CTA-861 block, and a DisplayID 1.3 block when the preferred mode is beyond
//! a base block's 4095 pixels or 655.35 MHz: 256 or 384 bytes.

mod base;
mod cta;
mod displayid;
mod modes;
mod timing;

use modes::Mode;
use timing::Timing;

/// The display an EDID is to describe. Nothing is refused: what no EDID can
/// say is brought to the nearest it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdidRequest<'a> {
    /// Width in pixels, exact in the preferred mode from 64 to 16,384. A width
    /// or height of 0 gives 1024x768.
    pub width: u32,
    /// Height in pixels, exact in the preferred mode from 64 to 16,384.
    pub height: u32,
    /// Frames per 1000 seconds, from 20,000 to 1,000,000; 0 gives 60 Hz. Very
    /// large displays get what their pixel clock allows.
    pub refresh_millihertz: u32,
    /// Width of the picture in millimetres. If this or the height is 0, both
    /// are derived at 100 pixels per inch.
    pub width_mm: u32,
    /// Height of the picture in millimetres.
    pub height_mm: u32,
    /// The display's name: 13 characters of ASCII count.
    pub name: &'a str,
    /// Tells displays of one name apart.
    pub serial: u32,
}

/// Bytes of every block of an EDID.
const BLOCK: usize = 128;

/// The EDID of a display: whole blocks of 128 bytes, at most 1024 bytes.
#[must_use]
pub fn generate(request: &EdidRequest<'_>) -> Vec<u8> {
    let display = Display::new(request);
    let mut blocks = vec![base::block(&display), cta::block(&display)];
    if display.needs_displayid() {
        blocks.push(displayid::block(&display));
    }
    blocks.concat()
}

/// A request with every value in range.
struct Display<'a> {
    preferred: Timing,
    /// The timing of the base block: the preferred one, or what stands in.
    first: Timing,
    /// Common modes that fit the display, and 640x480.
    modes: Vec<Mode>,
    size: Millimetres,
    name: &'a str,
    serial: u32,
}

impl<'a> Display<'a> {
    fn new(request: &EdidRequest<'a>) -> Self {
        let (width, height) = match (request.width, request.height) {
            (0, _) | (_, 0) => (1024, 768),
            (width, height) => (clamp_side(width), clamp_side(height)),
        };
        let refresh = match request.refresh_millihertz {
            0 => 60_000,
            refresh => refresh.clamp(20_000, 1_000_000),
        };
        let preferred = Timing::reduced_blanking(width, height, refresh);
        Self {
            preferred,
            first: modes::base_timing(&preferred),
            modes: modes::fitting(&preferred),
            size: Millimetres::new(request, width, height),
            name: request.name,
            serial: request.serial,
        }
    }

    fn needs_displayid(&self) -> bool {
        self.first != self.preferred
    }
}

/// Linux ignores modes below 64 pixels a side; the device has no larger
/// images than 16,384.
fn clamp_side(pixels: u32) -> u16 {
    u16::try_from(pixels.clamp(64, 16_384)).unwrap_or(16_384)
}

/// The size of the picture, each side from 10 mm to 2550 mm: an EDID has a
/// byte of centimetres, where 0 would mean something else.
#[derive(Clone, Copy)]
struct Millimetres {
    width: u16,
    height: u16,
}

impl Millimetres {
    const SHORTEST: u64 = 10;
    const LONGEST: u64 = 2550;

    fn new(request: &EdidRequest<'_>, width: u16, height: u16) -> Self {
        let (width, height) = match (request.width_mm, request.height_mm) {
            (0, _) | (_, 0) => (Self::at_100_dpi(width), Self::at_100_dpi(height)),
            (width, height) => (u64::from(width), u64::from(height)),
        };
        // A picture that is too large shrinks as a whole, to keep its shape.
        let longest = width.max(height).max(Self::LONGEST);
        let shrink = |side: u64| {
            let side = side
                .saturating_mul(Self::LONGEST)
                .checked_div(longest)
                .unwrap_or(Self::LONGEST)
                .clamp(Self::SHORTEST, Self::LONGEST);
            u16::try_from(side).unwrap_or(u16::MAX)
        };
        Self {
            width: shrink(width),
            height: shrink(height),
        }
    }

    fn at_100_dpi(pixels: u16) -> u64 {
        u64::from(pixels).saturating_mul(254) / 1000
    }
}

/// Completes a block: zeros up to the last byte, then the byte that makes the
/// sum of all 128 a multiple of 256.
fn finish(mut block: Vec<u8>) -> Vec<u8> {
    block.resize(BLOCK.saturating_sub(1), 0);
    block.push(checksum(&block));
    block
}

/// The byte that brings the sum of `bytes` to a multiple of 256.
fn checksum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg()
}
