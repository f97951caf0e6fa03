//! Scanouts: the outputs of the device, and what each of them shows.

use std::sync::Arc;

use gpu_buffer::Rect;
use gpu_display::{Damage, DmaBuf, Hotspot, Position, SurfaceId};

use crate::blob::Framebuffer;
use crate::copying::Copying;
use crate::mirror::Mirror;
use crate::protocol::ResourceId;

/// The part of a resource that a scanout shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The resource.
    pub resource: ResourceId,
    /// The part of it, in its own pixels.
    pub rect: Rect,
    /// The picture in the resource, where that is a blob.
    pub framebuffer: Option<Framebuffer>,
}

impl Shown {
    /// All of the surface that shows it.
    pub(crate) fn surface_bounds(&self) -> Rect {
        Rect::from_size(self.rect.width, self.rect.height)
    }
}

/// Where a scanout's picture comes from.
#[derive(Debug, Default)]
pub(crate) enum Source {
    /// It is in memory of ours.
    #[default]
    Host,
    /// The renderer has it, and it is read into memory of ours.
    Mirror(Mirror),
    /// The renderer has it, and a read-back has failed: nothing is shown until
    /// the next flush, and then all.
    Unread,
    /// The renderer has it, in memory that the display is shown.
    Shared {
        /// What changed and may not be drawn yet, in the surface's pixels.
        undrawn: Damage,
    },
    /// It is in the guest's memory, and is copied from there.
    Copied(Copying),
    /// It is in the guest's memory, and the display is shown that.
    Pages(Arc<DmaBuf>),
}

/// One output.
#[derive(Debug, Default)]
pub struct Scanout {
    /// What it shows; `None` while it is off.
    pub shown: Option<Shown>,
    /// The display's surface, there exactly while something is shown.
    pub surface: Option<SurfaceId>,
    /// What changed and was not presented yet, in the surface's pixels.
    pub damage: Damage,
    /// Where the picture comes from.
    pub(crate) source: Source,
    /// Whether the display can take a frame.
    pub pace: Pace,
    /// The cursor over this output. It outlives modeset and switching off.
    pub cursor: Cursor,
}

impl Scanout {
    /// Whether the display shows anything of it.
    pub(crate) fn is_on(&self) -> bool {
        self.surface.is_some() || self.cursor.surface.is_some()
    }

    /// Marks the whole surface for presenting.
    pub fn damage_all(&mut self) {
        if let Some(shown) = self.shown {
            self.damage.add(shown.surface_bounds());
        }
    }
}

/// Whether a surface can take a frame now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Yes.
    #[default]
    Free,
    /// It refused the last one and will say when it can.
    Busy,
}

/// The cursor of one scanout.
#[derive(Debug, Default)]
pub struct Cursor {
    /// The resource with the image; `None` while hidden.
    pub image: Option<ResourceId>,
    /// Which pixel of the image points.
    pub hotspot: Hotspot,
    /// Where the image's top-left pixel is, in the scanout's pixels: Linux
    /// sends the place of the cursor plane.
    pub position: Position,
    /// The display's surface, there while scanout and image are.
    pub surface: Option<SurfaceId>,
    /// Where the image is read into if it is the renderer's.
    pub(crate) mirror: Option<Mirror>,
    /// Whether the image has to be presented.
    pub state: ImageState,
    /// Whether the display can take an image.
    pub pace: Pace,
}

/// Whether a cursor surface holds the current image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageState {
    /// It does.
    #[default]
    Presented,
    /// It has to be presented.
    Changed,
}

/// The damage of at most about `pixels` pixels, but one row at least, and the
/// rest.
pub(crate) fn split(damage: &Damage, pixels: u64) -> (Vec<Rect>, Damage) {
    let mut now = Vec::new();
    let mut later = Damage::default();
    let mut room = pixels.max(1);
    for rect in damage.rects() {
        let rows = room.div_ceil(u64::from(rect.width.max(1)));
        let rows = u32::try_from(rows).unwrap_or(u32::MAX).min(rect.height);
        let first = Rect {
            height: rows,
            ..*rect
        };
        let rest = Rect {
            y: rect.y.saturating_add(rows),
            height: rect.height.saturating_sub(rows),
            ..*rect
        };
        room = room.saturating_sub(first.area());
        if !first.is_empty() {
            now.push(first);
        }
        if !rest.is_empty() {
            later.add(rest);
        }
    }
    (now, later)
}
