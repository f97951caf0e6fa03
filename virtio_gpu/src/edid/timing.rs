//! Display timings with reduced blanking, after VESA CVT 1.2 §4.
//!
//! The width is kept as it is, where CVT rounds to 8 pixels: Linux takes the
//! preferred mode only if it is the size of the display info, and a window has
//! any size. The pixel clock is rounded to the 10 kHz an EDID can say.

/// A timing. Horizontal blanking is the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// Pixel clock in 10 kHz.
    pub(super) clock: u32,
    /// Visible pixels of a line.
    pub(super) width: u16,
    /// Visible lines.
    pub(super) height: u16,
    /// Lines of the vertical sync pulse.
    pub(super) v_sync: u16,
    /// Lines that are not visible.
    pub(super) v_blank: u16,
}

impl Timing {
    /// Pixels of a line that are not visible.
    pub(super) const H_BLANK: u16 = 160;
    /// Pixels before the horizontal sync pulse.
    pub(super) const H_FRONT: u16 = 48;
    /// Pixels of the horizontal sync pulse.
    pub(super) const H_SYNC: u16 = 32;
    /// Lines before the vertical sync pulse.
    pub(super) const V_FRONT: u16 = 3;

    /// Lines after the vertical sync pulse, at least.
    const V_BACK_MIN: u16 = 6;
    /// Microseconds of vertical blanking, at least.
    const V_BLANK_MIN_US: u64 = 460;
    /// The fastest clock of a DisplayID timing, in 10 kHz.
    const CLOCK_MAX: u32 = 1 << 24;
    /// Pixels per 1000 seconds, at least: parsers take a clock below 10 MHz
    /// for a broken descriptor.
    const PIXELS_MIN: u64 = 10_000_000_000;

    /// The timing of a mode; `refresh` in millihertz, 20,000 to 1,000,000.
    pub(super) fn reduced_blanking(width: u16, height: u16, refresh: u32) -> Self {
        let v_sync = v_sync(width, height);
        let v_min = Self::V_FRONT
            .saturating_add(v_sync)
            .saturating_add(Self::V_BACK_MIN);
        let refresh = u64::from(refresh);
        // A frame lasts 10^9 / refresh microseconds; the visible lines share
        // what the shortest blanking leaves of it.
        let blanking = refresh.saturating_mul(Self::V_BLANK_MIN_US);
        let lines = blanking
            .saturating_mul(u64::from(height))
            .checked_div(1_000_000_000_u64.saturating_sub(blanking))
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let mut timing = Self {
            clock: 0,
            width,
            height,
            v_sync,
            v_blank: u16::try_from(lines).unwrap_or(u16::MAX).max(v_min),
        };
        // Small pictures take longer blanking than they need.
        let pixels_per_line = timing.h_total().saturating_mul(refresh).max(1);
        let lines = Self::PIXELS_MIN.div_ceil(pixels_per_line);
        let v_blank = lines.saturating_sub(height.into());
        timing.v_blank = timing
            .v_blank
            .max(u16::try_from(v_blank).unwrap_or(u16::MAX));
        let clock = timing
            .h_total()
            .saturating_mul(timing.v_total())
            .saturating_mul(refresh)
            .saturating_add(5_000_000)
            / 10_000_000;
        timing.clock = u32::try_from(clock)
            .unwrap_or(u32::MAX)
            .clamp(1, Self::CLOCK_MAX);
        timing
    }

    /// Whether the fields of a base block's descriptor hold the timing.
    pub(super) fn fits_base_block(&self) -> bool {
        const TWELVE_BITS: u16 = 0x0fff;
        self.width <= TWELVE_BITS
            && self.height <= TWELVE_BITS
            && self.v_blank <= TWELVE_BITS
            && u16::try_from(self.clock).is_ok()
    }

    /// Pixels of a line, visible or not.
    pub(super) fn h_total(&self) -> u64 {
        u64::from(self.width).saturating_add(Self::H_BLANK.into())
    }

    /// Lines of a frame, visible or not.
    pub(super) fn v_total(&self) -> u64 {
        u64::from(self.height).saturating_add(self.v_blank.into())
    }
}

/// CVT tells a mode's aspect ratio by the length of the vertical sync pulse.
fn v_sync(width: u16, height: u16) -> u16 {
    let has_ratio = |horizontal: u32, vertical: u32| {
        u32::from(width).saturating_mul(vertical) == u32::from(height).saturating_mul(horizontal)
    };
    if has_ratio(4, 3) {
        4
    } else if has_ratio(16, 9) {
        5
    } else if has_ratio(16, 10) {
        6
    } else if has_ratio(5, 4) || has_ratio(15, 9) {
        7
    } else {
        10
    }
}
