//! Outputs: the monitors that a display offers. An output's number is its index in
//! [`Display::outputs`](crate::Display::outputs).

/// The mode that an output prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Refresh rate in thousandths of a hertz, 0 if it does not matter: a display with windows has its
    /// own there instead.
    pub refresh_millihertz: u32,
}

/// One monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Output {
    /// Whether a monitor is plugged in.
    pub enabled: bool,
    /// Left edge in the desktop that all outputs share, in pixels.
    pub x: u32,
    /// Top edge in the desktop that all outputs share, in pixels.
    pub y: u32,
    /// Preferred mode.
    pub mode: Mode,
    /// Width of the visible area in millimetres, 0 if unknown.
    pub width_mm: u32,
    /// Height of the visible area in millimetres, 0 if unknown.
    pub height_mm: u32,
}
