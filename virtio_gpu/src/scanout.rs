//! Scanouts: the outputs of the device, and what each of them shows.

use gpu_buffer::Rect;
use gpu_display::{Damage, Hotspot, Position, SurfaceId};

use crate::mirror::Mirror;
use crate::protocol::ResourceId;

/// The part of a resource that a scanout shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The resource.
    pub resource: ResourceId,
    /// The part of it, in its own pixels.
    pub rect: Rect,
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
    /// Where the picture is read into if it is the renderer's.
    pub(crate) mirror: Option<Mirror>,
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
            self.damage
                .add(Rect::from_size(shown.rect.width, shown.rect.height));
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
