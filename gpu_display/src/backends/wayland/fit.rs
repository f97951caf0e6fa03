//! How large a window is for the picture in it.
//!
//! A window is measured in the compositor's units, of which each is `scale` pixels: a window
//! without a wish of its user shows a pixel of the picture on each pixel of the screen.

use crate::desktop::Size;

/// The size that a compositor asks for; `None` if it leaves the choice, or asks for what cannot be.
pub(super) fn asked(width: i32, height: i32) -> Option<Size> {
    let side = |side| u32::try_from(side).ok().filter(|side| *side > 0);
    Some(Size::new(side(width)?, side(height)?))
}

/// The largest size within `bounds` with the proportions of a picture.
fn grown(picture: Size, bounds: Size) -> Size {
    let (width, height) = (u64::from(picture.width), u64::from(picture.height));
    let (within, down) = (u64::from(bounds.width), u64::from(bounds.height));
    let by_width = height.saturating_mul(within);
    let by_height = width.saturating_mul(down);
    if by_width <= by_height {
        Size::new(bounds.width, divide(by_width, width))
    } else {
        Size::new(divide(by_height, height), bounds.height)
    }
}

/// Pixels per unit, in 120ths as the fractional-scale protocol has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scale(u32);

impl Scale {
    /// One pixel per unit.
    pub(super) const ONE: Self = Self(120);

    /// From 120ths; `None` if it is nothing or more than 16 pixels.
    pub(super) fn from_120ths(value: u32) -> Option<Self> {
        (1..=16 * 120).contains(&value).then_some(Self(value))
    }

    /// From whole pixels.
    pub(super) fn whole(value: i32) -> Option<Self> {
        Self::from_120ths(u32::try_from(value).ok()?.checked_mul(120)?)
    }

    /// The whole pixels per unit, rounded up.
    pub(super) fn ceil(self) -> u32 {
        self.0.div_ceil(120)
    }

    /// The pixels of so many units.
    pub(super) fn pixels(self, size: Size) -> (u32, u32) {
        let side = |units: u32| {
            let product = u64::from(units).saturating_mul(u64::from(self.0));
            divide(product, 120)
        };
        (side(size.width), side(size.height))
    }

    /// The units that so many pixels take.
    fn units(self, pixels: Size) -> Size {
        let side = |pixels: u32| divide(u64::from(pixels).saturating_mul(120), u64::from(self.0));
        Size::new(side(pixels.width), side(pixels.height))
    }
}

/// The room that the compositor gives a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// As much as the picture needs.
    Own,
    /// The user made it this large; the picture keeps its proportions in it.
    AtMost(Size),
    /// It must be this large, as when maximized.
    Exactly(Size),
}

/// All that the size of a window depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// The picture, in its pixels.
    pub(super) picture: Size,
    pub(super) room: Room,
    /// What the compositor recommends not to exceed.
    pub(super) bounds: Option<Size>,
    pub(super) scale: Scale,
}

impl Fit {
    /// The size of the window, in units.
    pub(super) fn window(&self) -> Size {
        match self.room {
            Room::Exactly(size) => size,
            Room::AtMost(size) => grown(self.picture, size),
            Room::Own => {
                let own = self.scale.units(self.picture);
                match self.bounds {
                    Some(bounds) if own.width > bounds.width || own.height > bounds.height => {
                        grown(self.picture, bounds)
                    }
                    _ => own,
                }
            }
        }
    }
}

/// The quotient to the nearest.
fn divide(dividend: u64, divisor: u64) -> u32 {
    let half = divisor / 2;
    let quotient = dividend.saturating_add(half).checked_div(divisor);
    u32::try_from(quotient.unwrap_or(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    fn fit(room: Room) -> Fit {
        Fit {
            picture: size(1280, 800),
            room,
            bounds: None,
            scale: Scale::ONE,
        }
    }

    #[test]
    fn a_window_without_a_wish_shows_pixel_for_pixel() {
        let at = |scale| {
            let scale = Scale::from_120ths(scale).unwrap();
            Fit {
                scale,
                ..fit(Room::Own)
            }
            .window()
        };

        assert_eq!(at(120), size(1280, 800));
        assert_eq!(at(240), size(640, 400));
        assert_eq!(at(180), size(853, 533));
    }

    #[test]
    fn a_picture_keeps_its_proportions_where_it_may() {
        assert_eq!(fit(Room::AtMost(size(640, 1000))).window(), size(640, 400));
        assert_eq!(fit(Room::AtMost(size(1000, 400))).window(), size(640, 400));
        assert_eq!(
            fit(Room::Exactly(size(1000, 400))).window(),
            size(1000, 400)
        );
    }

    #[test]
    fn recommended_bounds_are_kept_by_windows_without_a_wish() {
        let bounds = Some(size(640, 640));

        let own = Fit {
            bounds,
            ..fit(Room::Own)
        }
        .window();
        let wished = Fit {
            bounds,
            ..fit(Room::AtMost(size(1280, 900)))
        }
        .window();

        assert_eq!(own, size(640, 400));
        assert_eq!(wished, size(1280, 800));
    }

    #[test]
    fn a_sliver_of_a_picture_still_has_a_window() {
        let mut fit = fit(Room::AtMost(size(10, 10)));
        fit.picture = size(16_384, 1);
        assert_eq!(fit.window(), size(10, 1));

        fit.room = Room::Own;
        fit.scale = Scale::from_120ths(1920).unwrap();
        assert_eq!(fit.window(), size(1024, 1));
    }

    #[test]
    fn what_cannot_be_asked_for_is_not_asked_for() {
        assert_eq!(asked(0, 0), None);
        assert_eq!(asked(640, -1), None);
        assert_eq!(asked(i32::MIN, 480), None);
        assert_eq!(asked(i32::MAX, 480), Some(size(32_767, 480)));
        assert_eq!(Scale::whole(0), None);
        assert_eq!(Scale::whole(-1), None);
        assert_eq!(Scale::whole(i32::MAX), None);
        assert_eq!(Scale::from_120ths(0), None);
        assert_eq!(Scale::from_120ths(u32::MAX), None);
    }

    #[test]
    fn the_pixels_of_a_window_are_rounded_to_the_nearest() {
        let scale = Scale::from_120ths(150).unwrap();

        assert_eq!(scale.pixels(size(801, 600)), (1001, 750));
        assert_eq!(scale.ceil(), 2);
        assert_eq!(Scale::whole(2).unwrap().pixels(size(3, 5)), (6, 10));
    }
}
