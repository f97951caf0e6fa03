//! Rectangles of pixels, safe for every value a guest can name.

/// A rectangle in pixels: its top-left corner and its size. Every `u32` is allowed in every field;
/// the far edges are `u64` and so cannot wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Rect {
    /// A rectangle from its corner and size.
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// The rectangle of this size at the origin.
    pub const fn from_size(width: u32, height: u32) -> Self {
        Self::new(0, 0, width, height)
    }

    /// Whether the rectangle has no pixel.
    pub const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// One past the rightmost column.
    pub const fn right(&self) -> u64 {
        (self.x as u64).saturating_add(self.width as u64)
    }

    /// One past the lowest row.
    pub const fn bottom(&self) -> u64 {
        (self.y as u64).saturating_add(self.height as u64)
    }

    /// The number of pixels.
    pub const fn area(&self) -> u64 {
        (self.width as u64).saturating_mul(self.height as u64)
    }

    /// Whether no edge of `other` lies outside this rectangle. An empty `other` is judged by its
    /// edges like any other.
    pub const fn contains(&self, other: &Rect) -> bool {
        other.x >= self.x
            && other.y >= self.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }

    /// The pixels that both rectangles have, `None` if there are none.
    pub fn intersection(&self, other: &Rect) -> Option<Rect> {
        Self::from_edges(
            self.x.max(other.x),
            self.y.max(other.y),
            self.right().min(other.right()),
            self.bottom().min(other.bottom()),
        )
        .filter(|rect| !rect.is_empty())
    }

    /// The smallest rectangle that covers both; an empty one counts for nothing. A width or height
    /// beyond `u32::MAX` is cut to it: that takes two rectangles that reach beyond `u32::MAX`
    /// themselves, which no picture contains.
    pub fn union(&self, other: &Rect) -> Rect {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        let extent = |edge: u64, origin: u32| {
            u32::try_from(edge.saturating_sub(u64::from(origin))).unwrap_or(u32::MAX)
        };
        Rect {
            x,
            y,
            width: extent(self.right().max(other.right()), x),
            height: extent(self.bottom().max(other.bottom()), y),
        }
    }

    /// The same rectangle seen from the origin `(x, y)`, `None` if it begins left of or above it.
    pub fn relative_to(&self, x: u32, y: u32) -> Option<Rect> {
        Some(Rect {
            x: self.x.checked_sub(x)?,
            y: self.y.checked_sub(y)?,
            ..*self
        })
    }

    fn from_edges(x: u32, y: u32, right: u64, bottom: u64) -> Option<Rect> {
        Some(Rect {
            x,
            y,
            width: u32::try_from(right.checked_sub(u64::from(x))?).ok()?,
            height: u32::try_from(bottom.checked_sub(u64::from(y))?).ok()?,
        })
    }
}
