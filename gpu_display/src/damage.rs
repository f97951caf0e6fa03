//! Damage: which part of a picture changed.

use gpu_buffer::Rect;

/// A region of at most [`Damage::MAX_RECTS`] rectangles, none of which overlap. It covers all that
/// was added, and more only where rectangles had to be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    rects: Vec<Rect>,
}

impl Damage {
    /// The most rectangles that a region has. Beyond that, those are merged that cost the fewest
    /// extra pixels: enough for a busy desktop, few enough to search.
    pub const MAX_RECTS: usize = 16;

    /// A region without a pixel.
    pub const fn new() -> Self {
        Self { rects: Vec::new() }
    }

    /// Adds a rectangle. Pixels whose far edge is beyond `u32::MAX` are left out: no picture has
    /// them.
    pub fn add(&mut self, rect: Rect) {
        let Some(mut rect) = rect.intersection(&Rect::from_size(u32::MAX, u32::MAX)) else {
            return;
        };
        loop {
            while let Some(index) = self.rects.iter().position(|old| belong(old, &rect)) {
                rect = rect.union(&self.rects.swap_remove(index));
            }
            self.rects.push(rect);
            if self.rects.len() <= Self::MAX_RECTS {
                return;
            }
            match self.merge_cheapest() {
                Some(merged) => rect = merged,
                None => return,
            }
        }
    }

    /// Leaves out what lies outside `bounds`.
    pub fn clip(&mut self, bounds: &Rect) {
        self.rects = self
            .rects
            .iter()
            .filter_map(|rect| rect.intersection(bounds))
            .collect();
    }

    /// The rectangles, in no particular order.
    pub fn rects(&self) -> &[Rect] {
        &self.rects
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.rects.is_empty()
    }

    /// Takes the region, leaving an empty one.
    #[must_use]
    pub fn take(&mut self) -> Damage {
        std::mem::take(self)
    }

    /// The smallest rectangle around the region, `None` if it is empty.
    pub fn bounds(&self) -> Option<Rect> {
        self.rects
            .iter()
            .copied()
            .reduce(|sum, rect| sum.union(&rect))
    }

    /// Takes out the two rectangles whose union covers the fewest pixels more than they do, and
    /// returns the union.
    fn merge_cheapest(&mut self) -> Option<Rect> {
        let (first, second) = self
            .rects
            .iter()
            .enumerate()
            .flat_map(|(i, a)| {
                let later = self.rects.iter().enumerate().skip(i.saturating_add(1));
                later.map(move |(j, b)| (waste(a, b), i, j))
            })
            .min()
            .map(|(_, i, j)| (i, j))?;
        // The later one first: removing it moves only what is behind it.
        let second = self.rects.swap_remove(second);
        let first = self.rects.swap_remove(first);
        Some(first.union(&second))
    }
}

/// Whether two rectangles are better one: they overlap, or their union has no other pixels.
fn belong(a: &Rect, b: &Rect) -> bool {
    a.intersection(b).is_some() || waste(a, b) == 0
}

/// The pixels of the union of two disjoint rectangles that are in neither.
fn waste(a: &Rect, b: &Rect) -> u64 {
    a.union(b)
        .area()
        .saturating_sub(a.area())
        .saturating_sub(b.area())
}
