//! Modes every guest knows, offered beside the preferred one as far as they
//! fit the display.

use super::timing::Timing;

/// A mode of VESA DMT or CTA-861 at 60 Hz, and how an EDID names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    width: u16,
    height: u16,
    /// Pixel clock in 10 kHz.
    pub(super) clock: u32,
    /// Pixels of a line, visible or not.
    pub(super) h_total: u16,
    /// Lines of a frame, visible or not.
    pub(super) v_total: u16,
    /// Bit in the base block's established timings, first byte highest.
    pub(super) established: Option<u16>,
    /// The two bytes of a base block's standard timing.
    pub(super) standard: Option<[u8; 2]>,
    /// Code of CTA-861.
    pub(super) vic: Option<u8>,
}

/// Aspect ratio and refresh of a standard timing at 60 Hz.
const RATIO_16_10: u8 = 0b00 << 6;
const RATIO_5_4: u8 = 0b10 << 6;
const RATIO_16_9: u8 = 0b11 << 6;

#[rustfmt::skip]
const MODES: [Mode; 11] = [
    Mode { width: 640, height: 480, clock: 2518, h_total: 800, v_total: 525,
           established: Some(1 << 13), standard: None, vic: Some(1) },
    Mode { width: 800, height: 600, clock: 4000, h_total: 1056, v_total: 628,
           established: Some(1 << 8), standard: None, vic: None },
    Mode { width: 1024, height: 768, clock: 6500, h_total: 1344, v_total: 806,
           established: Some(1 << 3), standard: None, vic: None },
    Mode { width: 1280, height: 720, clock: 7425, h_total: 1650, v_total: 750,
           established: None, standard: Some(standard(1280, RATIO_16_9)), vic: Some(4) },
    Mode { width: 1280, height: 800, clock: 8350, h_total: 1680, v_total: 831,
           established: None, standard: Some(standard(1280, RATIO_16_10)), vic: None },
    Mode { width: 1280, height: 1024, clock: 10800, h_total: 1688, v_total: 1066,
           established: None, standard: Some(standard(1280, RATIO_5_4)), vic: None },
    Mode { width: 1440, height: 900, clock: 10650, h_total: 1904, v_total: 934,
           established: None, standard: Some(standard(1440, RATIO_16_10)), vic: None },
    Mode { width: 1600, height: 900, clock: 10800, h_total: 1800, v_total: 1000,
           established: None, standard: Some(standard(1600, RATIO_16_9)), vic: None },
    Mode { width: 1680, height: 1050, clock: 14625, h_total: 2240, v_total: 1089,
           established: None, standard: Some(standard(1680, RATIO_16_10)), vic: None },
    Mode { width: 1920, height: 1080, clock: 14850, h_total: 2200, v_total: 1125,
           established: None, standard: Some(standard(1920, RATIO_16_9)), vic: Some(16) },
    Mode { width: 1920, height: 1200, clock: 19325, h_total: 2592, v_total: 1245,
           established: None, standard: Some(standard(1920, RATIO_16_10)), vic: None },
];

#[allow(
    clippy::cast_possible_truncation,
    clippy::arithmetic_side_effects,
    reason = "evaluated when compiled, with the widths above"
)]
const fn standard(width: u16, ratio: u8) -> [u8; 2] {
    [(width / 8 - 31) as u8, ratio]
}

impl Mode {
    /// Whether the mode is no larger than the preferred one.
    pub(super) fn fits(&self, preferred: &Timing) -> bool {
        self.width <= preferred.width && self.height <= preferred.height
    }
}

/// The modes that fit a display, smallest first; 640x480 always, as every
/// sink must know it.
pub(super) fn fitting(preferred: &Timing) -> Vec<Mode> {
    MODES
        .into_iter()
        .filter(|mode| mode.fits(preferred) || mode.vic == Some(1))
        .collect()
}

/// The timing a base block carries for a display: the preferred one if its
/// descriptor can hold it, else the same size at 60 Hz, else a common size.
pub(super) fn base_timing(preferred: &Timing) -> Timing {
    const SIZES: [(u16, u16); 3] = [(1920, 1080), (1280, 720), (1024, 768)];

    if preferred.fits_base_block() {
        return *preferred;
    }
    let slower = Timing::reduced_blanking(preferred.width, preferred.height, 60_000);
    if slower.fits_base_block() {
        return slower;
    }
    let (width, height) = SIZES
        .into_iter()
        .find(|(width, height)| *width <= preferred.width && *height <= preferred.height)
        .unwrap_or((640, 480));
    Timing::reduced_blanking(width, height, 60_000)
}
