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

mod identity;
mod offers;
mod parse;
mod timing;
mod verdict;

use virtio_gpu::edid::EdidRequest;

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
