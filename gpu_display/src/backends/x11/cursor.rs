//! Cursors: what the pointer looks like in a window. RENDER makes them of pictures with alpha.

use std::borrow::Cow;
use std::sync::mpsc::Sender;

use gpu_buffer::{DrmFourcc, Layout, Rect, copy};
use vm_memory::VolatileSlice;
use x11rb_protocol::protocol::render::{
    CreateCursorRequest, CreatePictureAux, CreatePictureRequest, FreePictureRequest,
};
use x11rb_protocol::protocol::xproto::{
    self, ChangeWindowAttributesAux, ChangeWindowAttributesRequest, CreateGCAux, CreateGCRequest,
    CreatePixmapRequest, FreeGCRequest, FreePixmapRequest, ImageFormat, PutImageRequest,
};

use super::client::{Barrier, Client, Dead};
use super::content::tiles;
use super::extensions::Extension;
use super::native::{clamped, coordinate};
use super::server::Server;
use super::state::State;
use crate::surfaces::Configured;
use crate::{DisplayError, Frame, Hotspot, Role, SurfaceId, SurfaceRequest};

/// How the pixels are kept.
const FORMAT: DrmFourcc = DrmFourcc::Argb8888;

/// A cursor surface that has had a frame.
#[derive(Debug)]
pub(super) struct Cursor {
    pixels: Vec<u8>,
    layout: Layout,
    /// Those that belong to the image: newer ones are seen with a newer image.
    hotspot: Hotspot,
    pub(super) parent: SurfaceId,
    /// Counts the images.
    generation: u64,
}

/// What the pointer looks like in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// As outside.
    Default,
    /// Like nothing.
    Hidden,
    /// Like this image of this cursor.
    Image(SurfaceId, u64),
}

/// How far a change of the look is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is done.
    Done,
    /// The server was told.
    Underway,
    /// And there is another.
    Outdated,
}

/// A cursor at the server, which forgets it when this is dropped.
struct Made {
    id: u32,
    graveyard: Sender<Dead>,
}

impl Drop for Made {
    /// There is nobody to tell once the connection is gone.
    fn drop(&mut self) {
        let _ = self.graveyard.send(Dead::Cursor(self.id));
    }
}

impl State {
    /// Takes a checked frame of a cursor. Its pixels are copied, and wait here for as long as it takes.
    pub(super) fn present_cursor(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
        frame: &Frame<'_>,
    ) -> Result<(), DisplayError> {
        let Role::Cursor {
            parent, hotspot, ..
        } = request.role
        else {
            return Err(DisplayError::NotACursor { surface });
        };
        let layout = Layout::packed(request.width, request.height, FORMAT)?;
        let bytes = layout.size();
        let out_of_memory = || DisplayError::OutOfMemory { bytes };
        let length = usize::try_from(bytes).map_err(|_| out_of_memory())?;
        let mut pixels = Vec::new();
        pixels
            .try_reserve_exact(length)
            .map_err(|_| out_of_memory())?;
        let memory = frame.pixels.memory();
        copy::read_rect(&memory, &frame.layout, frame.crop, FORMAT, &mut pixels)?;
        self.images = self.images.wrapping_add(1);
        let cursor = Cursor {
            pixels,
            layout,
            hotspot,
            parent,
            generation: self.images,
        };
        let old = self.cursors.insert(surface, cursor);
        for parent in old.map(|old| old.parent).into_iter().chain([parent]) {
            self.refresh_cursor_over(parent);
        }
        Ok(())
    }

    /// A cursor's request changed. One of another size is hidden until its next frame.
    pub(super) fn cursor_changed(&mut self, surface: SurfaceId, configured: Configured) {
        if configured == Configured::Resized {
            self.forget_cursor(surface);
        }
    }

    /// Lets go of a cursor.
    pub(super) fn forget_cursor(&mut self, surface: SurfaceId) {
        if let Some(cursor) = self.cursors.remove(&surface) {
            self.refresh_cursor_over(cursor.parent);
        }
    }

    fn refresh_cursor_over(&mut self, parent: SurfaceId) {
        if let Some(output) = self.surfaces.output_of(parent) {
            self.refresh_cursor(output);
        }
    }

    /// Gives the pointer the look that it is to have in a window: that of its newest cursor. Only one
    /// change is on its way at a time.
    pub(super) fn refresh_cursor(&mut self, output: u32) {
        let (Some(link), Some(window)) = (&mut self.link, self.windows.get_mut(&output)) else {
            return;
        };
        let Some(server) = link.server.as_ref().filter(|_| link.is_online) else {
            return;
        };
        let Some(native) = &window.native else {
            return;
        };
        let over = |(_, cursor): &(&SurfaceId, &Cursor)| Some(cursor.parent) == window.scanout;
        let newest = self.cursors.iter().rev().find(over);
        let wanted = match newest {
            Some((surface, cursor)) => Look::Image(*surface, cursor.generation),
            None => Look::Hidden,
        };
        if window.look == wanted {
            return;
        }
        if window.look_change != Change::Done {
            window.look_change = Change::Outdated;
            return;
        }
        let client = &mut link.client;
        let made = match newest {
            Some((_, cursor)) => cursor.make(client, server),
            None => hidden(client, server),
        };
        if let Some(made) = made {
            let values = ChangeWindowAttributesAux::new().cursor(made.id);
            let request = ChangeWindowAttributesRequest {
                window: native.window,
                value_list: Cow::Owned(values),
            };
            client.send(request.serialize());
            client.barrier(Barrier::Cursor { output });
            window.look = wanted;
            window.look_change = Change::Underway;
        }
    }

    /// The last change of a pointer's look is done.
    pub(super) fn cursor_is_shown(&mut self, output: u32) {
        if let Some(window) = self.windows.get_mut(&output) {
            let change = std::mem::replace(&mut window.look_change, Change::Done);
            if change == Change::Outdated {
                self.refresh_cursor(output);
            }
        }
    }
}

impl Cursor {
    /// Makes the image a cursor. `None` if the server has no pictures with alpha, or no names left.
    fn make(&self, client: &mut Client, server: &Server) -> Option<Made> {
        let format = server.argb?;
        let opcode = client.extensions.opcode(Extension::Render)?;
        let (width, height) = (self.layout.width(), self.layout.height());
        let [pixmap, gc, picture, id] = new_ids(client)?;
        let create = CreatePixmapRequest {
            depth: 32,
            pid: pixmap,
            drawable: server.root,
            width: clamped(width),
            height: clamped(height),
        };
        client.send(create.serialize());
        let create = CreateGCRequest {
            cid: gc,
            drawable: pixmap,
            value_list: Cow::Owned(CreateGCAux::new()),
        };
        client.send(create.serialize());
        self.draw(client, server, pixmap, gc);
        let create = CreatePictureRequest {
            pid: picture,
            drawable: pixmap,
            format,
            value_list: Cow::Owned(CreatePictureAux::new()),
        };
        client.send(create.serialize(opcode));
        let create = CreateCursorRequest {
            cid: id,
            source: picture,
            x: clamped(self.hotspot.x.min(width.saturating_sub(1))),
            y: clamped(self.hotspot.y.min(height.saturating_sub(1))),
        };
        client.send(create.serialize(opcode));
        client.send(FreePictureRequest { picture }.serialize(opcode));
        client.send(FreeGCRequest { gc }.serialize());
        client.send(FreePixmapRequest { pixmap }.serialize());
        client.give_back([pixmap, gc, picture]);
        let graveyard = client.graveyard();
        Some(Made { id, graveyard })
    }

    fn draw(&self, client: &mut Client, server: &Server, pixmap: u32, gc: u32) {
        let room = server.max_request.saturating_sub(64) / 4;
        let room = u32::try_from(room).unwrap_or(u32::MAX).max(1);
        // A volatile slice is of memory that may be written.
        let mut pixels = self.pixels.clone();
        let memory = VolatileSlice::from(&mut pixels[..]);
        let whole = Rect::from_size(self.layout.width(), self.layout.height());
        let mut bytes = Vec::new();
        for tile in tiles(whole, room) {
            bytes.clear();
            let format = server.argb_format;
            if copy::read_rect(&memory, &self.layout, tile, format, &mut bytes).is_err() {
                return;
            }
            let request = PutImageRequest {
                format: ImageFormat::Z_PIXMAP,
                drawable: pixmap,
                gc,
                width: clamped(tile.width),
                height: clamped(tile.height),
                dst_x: coordinate(tile.x),
                dst_y: coordinate(tile.y),
                left_pad: 0,
                depth: 32,
                data: Cow::Borrowed(&bytes),
            };
            client.send(request.serialize());
        }
    }
}

/// A cursor that looks like nothing.
fn hidden(client: &mut Client, server: &Server) -> Option<Made> {
    let [pixmap, gc, id] = new_ids(client)?;
    let create = CreatePixmapRequest {
        depth: 1,
        pid: pixmap,
        drawable: server.root,
        width: 1,
        height: 1,
    };
    client.send(create.serialize());
    let create = CreateGCRequest {
        cid: gc,
        drawable: pixmap,
        value_list: Cow::Owned(CreateGCAux::new()),
    };
    client.send(create.serialize());
    let draw = PutImageRequest {
        format: ImageFormat::XY_PIXMAP,
        drawable: pixmap,
        gc,
        width: 1,
        height: 1,
        dst_x: 0,
        dst_y: 0,
        left_pad: 0,
        depth: 1,
        data: Cow::Borrowed(&[0; 4]),
    };
    client.send(draw.serialize());
    let create = xproto::CreateCursorRequest {
        cid: id,
        source: pixmap,
        mask: pixmap,
        fore_red: 0,
        fore_green: 0,
        fore_blue: 0,
        back_red: 0,
        back_green: 0,
        back_blue: 0,
        x: 0,
        y: 0,
    };
    client.send(create.serialize());
    client.send(FreeGCRequest { gc }.serialize());
    client.send(FreePixmapRequest { pixmap }.serialize());
    client.give_back([pixmap, gc]);
    let graveyard = client.graveyard();
    Some(Made { id, graveyard })
}

/// New names, all or none.
fn new_ids<const N: usize>(client: &mut Client) -> Option<[u32; N]> {
    let mut ids = [0; N];
    for id in &mut ids {
        *id = client.new_id()?;
    }
    Some(ids)
}
