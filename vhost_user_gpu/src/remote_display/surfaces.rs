//! The surfaces that the device has, and what the front end was told of them.
//!
//! The front end is told the difference between the two whenever its socket has room, so that however much changes
//! meanwhile, only the newest state waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use gpu_buffer::{DrmFourcc, Rect, copy};
use gpu_display::{
    DisplayError, DmaBuf, Frame, Hotspot, Position, Role, SurfaceId, SurfaceIds, SurfaceRequest,
};

use super::client::Client;
use super::shared::Form;
use super::wire::{
    CURSOR_SIDE, CursorPosition, CursorUpdate, DmaBufScanout, DmaBufScanout2, MAX_OUTPUTS, Request,
    Scanout,
};

/// Bytes of a cursor image.
const CURSOR_BYTES: u32 = CURSOR_SIDE * CURSOR_SIDE * 4;

/// One surface.
#[derive(Debug)]
pub(super) struct Surface {
    pub(super) request: SurfaceRequest,
    /// Whether a frame was presented since the surface was made.
    pub(super) has_picture: bool,
    /// A cursor as it was presented last.
    image: Option<CursorImage>,
}

/// A cursor to be seen. What is asked for with its next image is not mixed with this one.
#[derive(Debug)]
struct CursorImage {
    /// 64 by 64 pixels of blue, green, red, alpha.
    pixels: Vec<u8>,
    /// Different for each image.
    serial: u64,
    /// The scanout below.
    parent: SurfaceId,
    hotspot: Hotspot,
    /// The newest position: a move does not wait for an image.
    position: Position,
}

/// What the front end shows on an output.
#[derive(Debug)]
struct ToldScanout {
    surface: SurfaceId,
    width: u32,
    height: u32,
    source: Source,
}

/// Where the front end has a scanout's picture from.
#[derive(Debug)]
enum Source {
    Pixels,
    /// The dma-buf that was handed over; the reference keeps no other from being taken for it.
    DmaBuf(Weak<DmaBuf>),
}

impl ToldScanout {
    /// Whether this is a scanout of that size.
    fn is_of(&self, surface: SurfaceId, size: (u32, u32)) -> bool {
        self.surface == surface && (self.width, self.height) == size
    }

    fn is_shared(&self) -> bool {
        matches!(self.source, Source::DmaBuf(_))
    }

    fn has(&self, picture: &Arc<DmaBuf>) -> bool {
        matches!(&self.source, Source::DmaBuf(told) if told.as_ptr() == Arc::as_ptr(picture))
    }
}

/// What the front end shows as an output's cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ToldCursor {
    serial: u64,
    position: Position,
}

#[derive(Debug, Default)]
struct Told {
    scanout: Option<ToldScanout>,
    cursor: Option<ToldCursor>,
}

/// All surfaces.
#[derive(Debug, Default)]
pub(super) struct Surfaces {
    ids: SurfaceIds,
    surfaces: BTreeMap<SurfaceId, Surface>,
    told: [Told; MAX_OUTPUTS],
    images: u64,
}

/// Whether a scanout was announced just now, so that the front end knows none of its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    Before,
    JustNow,
}

impl Surfaces {
    pub(super) fn create(&mut self, request: &SurfaceRequest) -> Result<SurfaceId, DisplayError> {
        self.check(request, None)?;
        let id = self.ids.allocate()?;
        let surface = Surface {
            request: *request,
            has_picture: false,
            image: None,
        };
        self.surfaces.insert(id, surface);
        Ok(id)
    }

    pub(super) fn configure(
        &mut self,
        id: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        let old = self.get(id)?.request;
        match (old.role, request.role) {
            (Role::Scanout { .. }, Role::Scanout { .. })
            | (Role::Cursor { .. }, Role::Cursor { .. }) => {}
            (Role::Scanout { .. }, Role::Cursor { .. }) => {
                return Err(DisplayError::NotACursor { surface: id });
            }
            (Role::Cursor { .. }, Role::Scanout { .. }) => {
                return Err(DisplayError::NotAScanout { surface: id });
            }
        }
        self.check(request, Some(id))?;
        if let Some(surface) = self.surfaces.get_mut(&id) {
            surface.request = *request;
            if let Role::Cursor { position, .. } = request.role
                && is_move(&old, request)
                && let Some(image) = &mut surface.image
            {
                image.position = position;
            }
        }
        Ok(())
    }

    pub(super) fn destroy(&mut self, id: SurfaceId) {
        self.surfaces.remove(&id);
    }

    pub(super) fn get(&self, id: SurfaceId) -> Result<&Surface, DisplayError> {
        self.surfaces
            .get(&id)
            .ok_or(DisplayError::UnknownSurface { surface: id })
    }

    /// The scanouts that had a picture.
    pub(super) fn shown_scanouts(&self) -> impl Iterator<Item = SurfaceId> {
        self.surfaces.iter().filter_map(|(id, surface)| {
            let is_scanout = matches!(surface.request.role, Role::Scanout { .. });
            (is_scanout && surface.has_picture).then_some(*id)
        })
    }

    pub(super) fn set_has_picture(&mut self, id: SurfaceId) {
        if let Some(surface) = self.surfaces.get_mut(&id) {
            surface.has_picture = true;
        }
    }

    pub(super) fn set_position(&mut self, id: SurfaceId, to: Position) -> Result<(), DisplayError> {
        let surface = self
            .surfaces
            .get_mut(&id)
            .ok_or(DisplayError::UnknownSurface { surface: id })?;
        match &mut surface.request.role {
            Role::Cursor { position, .. } => {
                *position = to;
                if let Some(image) = &mut surface.image {
                    image.position = to;
                }
                Ok(())
            }
            Role::Scanout { .. } => Err(DisplayError::NotACursor { surface: id }),
        }
    }

    /// Takes a cursor's new image: its top-left 64 by 64 pixels, with transparent ones where it is smaller.
    pub(super) fn set_image(
        &mut self,
        id: SurfaceId,
        frame: &Frame<'_>,
    ) -> Result<(), DisplayError> {
        let crop = Rect {
            width: frame.crop.width.min(CURSOR_SIDE),
            height: frame.crop.height.min(CURSOR_SIDE),
            ..frame.crop
        };
        let memory = frame.pixels.memory();
        let mut packed = Vec::new();
        copy::read_rect(
            &memory,
            &frame.layout,
            crop,
            DrmFourcc::Argb8888,
            &mut packed,
        )?;
        let mut pixels = vec![0; bytes(CURSOR_BYTES)];
        let rows = pixels.chunks_exact_mut(bytes(CURSOR_SIDE).saturating_mul(4));
        let image_rows = packed.chunks_exact(bytes(crop.width).saturating_mul(4).max(1));
        for (row, image_row) in rows.zip(image_rows) {
            if let Some(start) = row.get_mut(..image_row.len()) {
                start.copy_from_slice(image_row);
            }
        }
        self.images = self.images.saturating_add(1);
        if let Some(surface) = self.surfaces.get_mut(&id)
            && let Role::Cursor {
                parent,
                hotspot,
                position,
            } = surface.request.role
        {
            surface.image = Some(CursorImage {
                pixels,
                serial: self.images,
                parent,
                hotspot: inside(hotspot),
                position,
            });
            surface.has_picture = true;
        }
        Ok(())
    }

    /// A new front end knows nothing.
    pub(super) fn forget_told(&mut self) {
        self.told = Default::default();
    }

    /// Tells the front end the size of a scanout unless it knows. An UPDATE of a scanout that it knows nothing of is
    /// the end of QEMU.
    pub(super) fn announce(
        &mut self,
        client: &mut Client,
        surface: SurfaceId,
        output: u32,
        request: &SurfaceRequest,
    ) -> Announced {
        let size = (request.width, request.height);
        let Some(told) = self.told.get_mut(bytes(output)) else {
            return Announced::Before;
        };
        let before = told.scanout.take();
        let is_shared = before.as_ref().is_some_and(ToldScanout::is_shared);
        let is_known = before.is_some_and(|told| !is_shared && told.is_of(surface, size));
        told.scanout = Some(ToldScanout {
            surface,
            width: request.width,
            height: request.height,
            source: Source::Pixels,
        });
        if is_known {
            return Announced::Before;
        }
        if is_shared {
            client.message(Request::DmaBufScanout, &DmaBufScanout::none(output), 0);
        }
        let message = Scanout {
            scanout: output,
            width: request.width,
            height: request.height,
        };
        client.message(Request::Scanout, &message, 0);
        Announced::JustNow
    }

    /// Hands the front end the dma-buf that a scanout shows unless it has it.
    pub(super) fn announce_shared(
        &mut self,
        client: &mut Client,
        surface: SurfaceId,
        output: u32,
        picture: &Arc<DmaBuf>,
        form: Form,
    ) -> Announced {
        let (Some(of), Some(plane)) = (self.surfaces.get(&surface), picture.planes.first()) else {
            return Announced::Before;
        };
        let (width, height) = (of.request.width, of.request.height);
        let Some(told) = self.told.get_mut(bytes(output)) else {
            return Announced::Before;
        };
        let is_known =
            |told: &ToldScanout| told.is_of(surface, (width, height)) && told.has(picture);
        if told.scanout.as_ref().is_some_and(is_known) {
            return Announced::Before;
        }
        told.scanout = Some(ToldScanout {
            surface,
            width,
            height,
            source: Source::DmaBuf(Arc::downgrade(picture)),
        });
        let scanout = Scanout {
            scanout: output,
            width,
            height,
        };
        let scanout = DmaBufScanout::new(scanout, plane.stride, picture.format as u32);
        match form {
            Form::Plain => client.message_with_picture(Request::DmaBufScanout, &scanout, picture),
            Form::WithModifier => {
                let modifier = picture.modifier;
                let message = DmaBufScanout2 { scanout, modifier };
                client.message_with_picture(Request::DmaBufScanout2, &message, picture);
            }
        }
        Announced::JustNow
    }

    /// Tells the front end which scanouts have gone, and how the cursors are now.
    pub(super) fn tell_changes(&mut self, client: &mut Client) {
        for (output, told) in (0_u32..).zip(&mut self.told) {
            let gone = |told: &mut ToldScanout| !self.surfaces.contains_key(&told.surface);
            if let Some(gone) = told.scanout.take_if(gone) {
                if gone.is_shared() {
                    client.message(Request::DmaBufScanout, &DmaBufScanout::none(output), 0);
                }
                let disabled = Scanout {
                    scanout: output,
                    width: 0,
                    height: 0,
                };
                client.message(Request::Scanout, &disabled, 0);
            }
            let cursor = self
                .surfaces
                .values()
                .find_map(|surface| visible_cursor(surface, &self.surfaces, output));
            match (told.cursor, cursor) {
                (None, None) => {}
                (Some(old), None) => {
                    let hidden = CursorPosition::new(output, old.position);
                    client.message(Request::CursorHide, &hidden, 0);
                }
                (old, Some((new, image))) => {
                    let position = CursorPosition::new(output, new.position);
                    if old.is_none_or(|old| old.serial != new.serial) {
                        let update = CursorUpdate {
                            position,
                            hotspot_x: image.hotspot.x,
                            hotspot_y: image.hotspot.y,
                        };
                        client.message(Request::CursorUpdate, &update, CURSOR_BYTES);
                        client.bytes().extend_from_slice(&image.pixels);
                    } else if old != Some(new) {
                        client.message(Request::CursorPosition, &position, 0);
                    }
                }
            }
            told.cursor = cursor.map(|(cursor, _)| cursor);
        }
    }

    /// Whether the request names what there can be; `own` is the surface that it is for, if there is one already.
    fn check(&self, request: &SurfaceRequest, own: Option<SurfaceId>) -> Result<(), DisplayError> {
        match request.role {
            Role::Scanout { output } => {
                if bytes(output) >= MAX_OUTPUTS {
                    return Err(DisplayError::UnknownOutput { output });
                }
                let taken = self
                    .surfaces
                    .iter()
                    .any(|(id, surface)| Some(*id) != own && surface.request.role == request.role);
                if taken {
                    return Err(DisplayError::OutputTaken { output });
                }
            }
            Role::Cursor { parent, .. } => {
                if let Some(surface) = self.surfaces.get(&parent)
                    && matches!(surface.request.role, Role::Cursor { .. })
                {
                    return Err(DisplayError::NotAScanout { surface: parent });
                }
            }
        }
        Ok(())
    }
}

/// Whether a cursor only goes elsewhere. With anything else a new image comes, and both are told together.
fn is_move(old: &SurfaceRequest, new: &SurfaceRequest) -> bool {
    let size = |request: &SurfaceRequest| (request.width, request.height);
    let (
        Role::Cursor {
            parent: old_parent,
            hotspot: old_hotspot,
            ..
        },
        Role::Cursor {
            parent, hotspot, ..
        },
    ) = (old.role, new.role)
    else {
        return false;
    };
    size(old) == size(new) && (old_parent, old_hotspot) == (parent, hotspot)
}

/// The pixel of the image that points; for one outside, the nearest inside.
fn inside(hotspot: Hotspot) -> Hotspot {
    let last = CURSOR_SIDE.saturating_sub(1);
    Hotspot {
        x: hotspot.x.min(last),
        y: hotspot.y.min(last),
    }
}

/// The surface as the cursor of `output`, if it is one and has an image.
fn visible_cursor<'a>(
    surface: &'a Surface,
    surfaces: &BTreeMap<SurfaceId, Surface>,
    output: u32,
) -> Option<(ToldCursor, &'a CursorImage)> {
    let image = surface.image.as_ref()?;
    let below = surfaces.get(&image.parent)?.request.role;
    (below == Role::Scanout { output }).then_some((
        ToldCursor {
            serial: image.serial,
            position: image.position,
        },
        image,
    ))
}

/// A number of pixels or bytes as an index. Nothing here is as large as 2^32.
pub(super) fn bytes(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
