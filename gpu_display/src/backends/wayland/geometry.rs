//! How large a window is, and what its user wants it to be.

use std::time::Instant;

use super::fit::{Fit, Room, Scale};
use super::surface::Asked;
use crate::desktop::{Modes, Size};

/// Whether a window can be of another size than its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scaling {
    /// The compositor scales it to any size.
    Free,
    /// A unit is a whole number of the picture's pixels.
    Whole,
}

/// All that the size of a window depends on.
#[derive(Debug)]
pub(super) struct Geometry {
    output: u32,
    picture: Size,
    room: Room,
    bounds: Option<Size>,
    scale: Scale,
    scaling: Scaling,
}

impl Geometry {
    pub(super) fn new(output: u32, picture: Size) -> Self {
        Self {
            output,
            picture,
            room: Room::Own,
            bounds: None,
            scale: Scale::ONE,
            scaling: Scaling::Free,
        }
    }

    /// There is another compositor, or none.
    pub(super) fn start_over(&mut self, scaling: Scaling) {
        self.scaling = scaling;
        self.bounds = None;
    }

    /// The size of the picture.
    pub(super) fn picture(&self) -> Size {
        self.picture
    }

    /// The picture has another size. One that is not what the window asks for is the guest's choice,
    /// and the window follows.
    pub(super) fn set_picture(&mut self, picture: Size, preferred: Option<(u32, u32)>) {
        let is_answer = preferred == Some((picture.width, picture.height));
        if let Room::AtMost(_) = self.room
            && picture != self.picture
            && !is_answer
        {
            self.room = Room::Own;
        }
        self.picture = picture;
    }

    /// The compositor says how the window is to be. A size that is not the window's is its user's wish.
    pub(super) fn give_room(&mut self, asked: &Asked, modes: &mut Modes, now: Instant) {
        self.bounds = asked.bounds;
        if self.scaling == Scaling::Whole {
            return;
        }
        let room = |size| match asked.exact {
            true => Room::Exactly(size),
            false => Room::AtMost(size),
        };
        match asked.size {
            Some(size) if size != self.size() => {
                self.room = room(size);
                self.prefer(size, modes, now);
            }
            Some(size) if asked.exact => self.room = room(size),
            Some(_) => {
                if let Room::Exactly(size) = self.room {
                    self.room = Room::AtMost(size);
                }
            }
            None => {
                if let Room::Exactly(_) = self.room {
                    self.room = Room::Own;
                }
            }
        }
    }

    /// The window is on a screen with another scale; whether that is news.
    pub(super) fn set_scale(&mut self, scale: Scale, modes: &mut Modes, now: Instant) -> bool {
        if self.scale == scale {
            return false;
        }
        self.scale = scale;
        if let Room::AtMost(size) | Room::Exactly(size) = self.room {
            self.prefer(size, modes, now);
        }
        true
    }

    fn prefer(&self, size: Size, modes: &mut Modes, now: Instant) {
        let (width, height) = self.scale.pixels(size);
        modes.prefer(self.output, width, height, now);
    }

    /// The size of the window, in the compositor's units.
    pub(super) fn size(&self) -> Size {
        if self.scaling == Scaling::Whole {
            let scale = self.buffer_scale();
            let part = |side: u32| side.checked_div(scale).unwrap_or(side);
            return Size::new(part(self.picture.width), part(self.picture.height));
        }
        let fit = Fit {
            picture: self.picture,
            room: self.room,
            bounds: self.bounds,
            scale: self.scale,
        };
        fit.window()
    }

    /// How many of the picture's pixels are a unit. One where the scale divides no picture like this,
    /// or the compositor scales it.
    pub(super) fn buffer_scale(&self) -> u32 {
        let scale = self.scale.ceil();
        let divides = |side: u32| side.is_multiple_of(scale);
        match self.scaling == Scaling::Whole
            && divides(self.picture.width)
            && divides(self.picture.height)
        {
            true => scale,
            false => 1,
        }
    }

    /// Where a pixel of the picture is drawn on the window: a factor for each side.
    pub(super) fn factors(&self) -> (f64, f64) {
        let size = self.size();
        let factor = |window: u32, picture: u32| f64::from(window) / f64::from(picture.max(1));
        (
            factor(size.width, self.picture.width),
            factor(size.height, self.picture.height),
        )
    }
}
