//! The CTA-861 extension block, §7.5 of CTA-861-H.

use super::{Display, finish};

const TAG: u8 = 0x02;
const REVISION: u8 = 3;
/// Bytes before the first data block.
const HEADER: usize = 4;
/// Pictures from a computer are shown to their edges.
const UNDERSCAN: u8 = 1 << 7;

const VIDEO: u8 = 2;
const EXTENDED: u8 = 7;
const VIDEO_CAPABILITY: u8 = 0;
/// The guest may choose the range of RGB; computer and television pictures
/// are shown to their edges.
const CAPABILITIES: u8 = 1 << 6 | 0b10 << 2 | 0b10;

/// The extension block's 128 bytes.
pub(super) fn block(display: &Display<'_>) -> Vec<u8> {
    let capabilities = data_block(EXTENDED, &[VIDEO_CAPABILITY, CAPABILITIES]);
    let data = [video_block(display), capabilities].concat();
    let native_timings = u8::from(!display.needs_displayid());
    let end = u8::try_from(HEADER.saturating_add(data.len())).unwrap_or(0);
    let mut block = vec![TAG, REVISION, end, UNDERSCAN | native_timings];
    block.extend(data);
    finish(block)
}

/// The CTA-861 modes that fit the display. None beside a DisplayID timing: the
/// first code would count as preferred before a base block that is not native.
fn video_block(display: &Display<'_>) -> Vec<u8> {
    let largest_first = display.modes.iter().rev();
    let codes: Vec<u8> = largest_first
        .filter(|mode| mode.fits(&display.preferred))
        .filter_map(|mode| mode.vic)
        .collect();
    if codes.is_empty() || display.needs_displayid() {
        return Vec::new();
    }
    data_block(VIDEO, &codes)
}

/// A data block: its tag, its length, its bytes (at most 31).
fn data_block(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap_or(0);
    [&[tag << 5 | length & 0x1f], bytes].concat()
}
