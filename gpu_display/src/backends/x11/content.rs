//! What a window shows, and how it gets to the server.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use gpu_buffer::{Layout, Rect, copy};
use x11rb_protocol::protocol::xproto::{ImageFormat, PutImageRequest};
use x11rb_protocol::protocol::{present, shm};

use super::client::{Barrier, Client};
use super::extensions::Extension;
use super::import::Imports;
use super::native::{Native, clamped, coordinate};
use super::segment::{InFile, Segment, ShmBuffer};
use super::server::{Server, Way};
use super::statistics::X11Statistics;
use crate::desktop::{Copies, Pixels, SharedBuffers, Size, View, opaque_format, shareable};
use crate::{DisplayError, DmaBuf, Frame, PixelSource};

/// Buffers that the server may have of one window: one shown, one on its way, one being drawn.
const MAX_IN_FLIGHT: usize = 3;

/// Bytes of a PutImage request before its pixels.
const PUT_IMAGE_HEAD: usize = 24;

/// The buffers of a window.
#[derive(Debug)]
pub(super) struct Content {
    copies: Copies<ShmBuffer>,
    shared: SharedBuffers<Segment>,
    pub(super) imports: Imports,
    /// Of the copies and shared buffers that the server has as pixmaps: the last frame that showed each.
    shown: BTreeMap<u32, u32>,
    /// Counts the frames.
    serial: u32,
}

/// Where pixels go.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) output: u32,
    pub(super) native: &'a Native,
    /// The size of the picture.
    pub(super) picture: Size,
    /// What of the picture changed.
    pub(super) damage: &'a [Rect],
}

/// Who says when a frame is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The server, when the screen shows it.
    Server,
    /// Nobody: the server has only read it.
    Unknown,
}

/// Pixels that the server can read.
#[derive(Clone, Copy, Debug)]
struct Readable {
    segment: u32,
    pixmap: Option<u32>,
    /// Pixels of a row, and rows, of the whole picture in the segment.
    total: (u32, u32),
    /// Where in it the part to show begins.
    start: (u32, u32),
}

impl Content {
    pub(super) fn new() -> Self {
        Self {
            copies: Copies::new(),
            shared: SharedBuffers::new(),
            imports: Imports::default(),
            shown: BTreeMap::new(),
            serial: 0,
        }
    }

    /// The number of the last frame.
    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    /// Whether the server has given back enough buffers for another picture.
    pub(super) fn has_room(&self) -> bool {
        let in_flight = [
            self.copies.in_flight(),
            self.shared.in_flight(),
            self.imports.in_flight(),
        ];
        in_flight.into_iter().fold(0, usize::saturating_add) < MAX_IN_FLIGHT
    }

    /// Sends a checked frame. `None` if there is no buffer for it yet.
    ///
    /// # Errors
    /// [`DisplayError::Pixels`], [`DisplayError::OutOfMemory`], [`DisplayError::DmaBufRefused`].
    pub(super) fn show(
        &mut self,
        client: &mut Client,
        server: &Server,
        frame: &Frame<'_>,
        place: &Place<'_>,
        statistics: &mut X11Statistics,
    ) -> Result<Option<Pace>, DisplayError> {
        for rect in frame.damage {
            self.copies.damage(*rect);
        }
        if let PixelSource::DmaBuf(buffer) = frame.pixels {
            return self.show_import(client, server, frame, buffer, place, statistics);
        }
        if server.way == Way::Plain {
            let bytes = put_plain(client, server, frame, place)?;
            statistics.copied_bytes = statistics.copied_bytes.saturating_add(bytes);
            return Ok(Some(Pace::Unknown));
        }
        let readable = match self.share(client, server, frame, place.native.window) {
            Some(readable) => {
                statistics.shared_frames = statistics.shared_frames.saturating_add(1);
                readable
            }
            None => {
                let copied = self.copy(client, server, frame, place.native.window)?;
                let Some((readable, bytes)) = copied else {
                    return Ok(None);
                };
                statistics.copied_bytes = statistics.copied_bytes.saturating_add(bytes);
                readable
            }
        };
        self.serial = self.serial.wrapping_add(1);
        Ok(Some(match readable.pixmap {
            Some(pixmap) => {
                self.shown.insert(pixmap, self.serial);
                present_pixmap(client, pixmap, self.serial, place, (0, 0));
                Pace::Server
            }
            None => {
                put_shared(client, server, &readable, place);
                Pace::Unknown
            }
        }))
    }

    /// Has a dma-buf shown.
    fn show_import(
        &mut self,
        client: &mut Client,
        server: &Server,
        frame: &Frame<'_>,
        buffer: &Arc<DmaBuf>,
        place: &Place<'_>,
        statistics: &mut X11Statistics,
    ) -> Result<Option<Pace>, DisplayError> {
        if !place.native.has_region() {
            return Err(DisplayError::DmaBufRefused {
                format: buffer.format,
                modifier: buffer.modifier,
            });
        }
        let serial = self.serial.wrapping_add(1);
        let window = (place.output, place.native.window);
        let pixmap = self.imports.lend(client, server, window, buffer, serial)?;
        let Some(pixmap) = pixmap else {
            return Ok(None);
        };
        self.serial = serial;
        statistics.shared_frames = statistics.shared_frames.saturating_add(1);
        let start = (frame.crop.x, frame.crop.y);
        present_pixmap(client, pixmap, serial, place, start);
        Ok(Some(Pace::Server))
    }

    /// Makes the frame's own memory the server's, if that is worth it and possible.
    fn share(
        &mut self,
        client: &mut Client,
        server: &Server,
        frame: &Frame<'_>,
        window: u32,
    ) -> Option<Readable> {
        let layout = &frame.layout;
        if !copy::is_same_bytes(opaque_format(layout.format()), server.format) {
            return None;
        }
        let buffer = shareable(frame)?;
        let picture = InFile {
            fd: buffer.shared_fd()?,
            layout,
            crop: frame.crop,
        };
        let view = View {
            crop: frame.crop,
            format: server.format,
        };
        let tell = || {
            let segment = Segment::new(client, server, window, &picture)?;
            Some((segment.number(), segment))
        };
        let segment = self.shared.lend(buffer, view, tell)?;
        Some(Readable {
            segment: segment.id,
            pixmap: segment.pixmap,
            total: (layout.stride() / 4, layout.height()),
            start: (frame.crop.x, frame.crop.y),
        })
    }

    fn copy(
        &mut self,
        client: &mut Client,
        server: &Server,
        frame: &Frame<'_>,
        window: u32,
    ) -> Result<Option<(Readable, u64)>, DisplayError> {
        let pixels = Pixels {
            memory: frame.pixels.memory(),
            layout: &frame.layout,
        };
        let make = |layout: Layout| ShmBuffer::new(client, server, window, layout);
        let filled = self.copies.fill(&pixels, frame.crop, server.format, make)?;
        let lent = filled.and_then(|filled| Some((self.copies.lent(filled.number)?, filled.bytes)));
        Ok(lent.map(|(buffer, bytes)| {
            let readable = Readable {
                segment: buffer.segment.id,
                pixmap: buffer.segment.pixmap,
                total: (frame.crop.width, frame.crop.height),
                start: (0, 0),
            };
            (readable, bytes)
        }))
    }

    /// The picture is another one.
    pub(super) fn damage_all(&mut self) {
        self.copies.damage_all();
    }

    /// The server has done with a buffer.
    pub(super) fn release(&mut self, number: u64) {
        // Only one of them had it.
        let _ = self.copies.release(number) || self.shared.release(number);
    }

    /// The server has done with the pixmap of a frame. A later one may show it again, or another pixmap
    /// have its name by now.
    pub(super) fn release_pixmap(&mut self, pixmap: u32, frame: u32) {
        if !self.imports.release(pixmap, frame) && self.shown.get(&pixmap) == Some(&frame) {
            self.shown.remove(&pixmap);
            self.release(u64::from(pixmap));
        }
    }

    /// Has the server forget others' buffers that are gone.
    pub(super) fn prune(&mut self) {
        self.shared.prune();
        self.imports.prune();
    }

    /// Forgets all buffers.
    pub(super) fn clear(&mut self) {
        self.copies.clear();
        self.shared.clear();
        self.imports.clear();
        self.shown.clear();
    }
}

/// Has a pixmap shown with the next picture of the screen: what changed of the picture that is at
/// `start` of it.
fn present_pixmap(
    client: &mut Client,
    pixmap: u32,
    serial: u32,
    place: &Place<'_>,
    start: (u32, u32),
) {
    let Some(opcode) = client.extensions.opcode(Extension::Present) else {
        return;
    };
    let in_pixmap = |rect: &Rect| Rect {
        x: rect.x.saturating_add(start.0),
        y: rect.y.saturating_add(start.1),
        ..*rect
    };
    let damage: Vec<Rect> = place.damage.iter().map(in_pixmap).collect();
    let update = place.native.region_of(client, &damage);
    let (x, y) = place.native.place(place.picture);
    let offset = |place: u32, start: u32| coordinate(place).saturating_sub(coordinate(start));
    let request = present::PixmapRequest {
        window: place.native.window,
        pixmap,
        serial,
        valid: 0,
        update,
        x_off: offset(x, start.0),
        y_off: offset(y, start.1),
        target_crtc: 0,
        wait_fence: 0,
        idle_fence: 0,
        options: 0,
        target_msc: 0,
        divisor: 0,
        remainder: 0,
        notifies: Cow::Borrowed(&[]),
    };
    client.send(request.serialize(opcode));
}

/// Has the server copy what changed. It says when it has.
fn put_shared(client: &mut Client, server: &Server, readable: &Readable, place: &Place<'_>) {
    let Some(opcode) = client.extensions.opcode(Extension::Shm) else {
        return;
    };
    let (left, top) = place.native.place(place.picture);
    let mut rest = place.damage.iter().peekable();
    while let Some(rect) = rest.next() {
        let request = shm::PutImageRequest {
            drawable: place.native.window,
            gc: place.native.gc,
            total_width: clamped(readable.total.0),
            total_height: clamped(readable.total.1),
            src_x: clamped(readable.start.0.saturating_add(rect.x)),
            src_y: clamped(readable.start.1.saturating_add(rect.y)),
            src_width: clamped(rect.width),
            src_height: clamped(rect.height),
            dst_x: coordinate(left.saturating_add(rect.x)),
            dst_y: coordinate(top.saturating_add(rect.y)),
            depth: server.depth,
            format: ImageFormat::Z_PIXMAP.into(),
            send_event: rest.peek().is_none(),
            shmseg: readable.segment,
            offset: 0,
        };
        client.send(request.serialize(opcode));
    }
}

/// Sends the pixels that changed themselves, and returns how many bytes they are.
fn put_plain(
    client: &mut Client,
    server: &Server,
    frame: &Frame<'_>,
    place: &Place<'_>,
) -> Result<u64, DisplayError> {
    let (left, top) = place.native.place(place.picture);
    let room = server.max_request.saturating_sub(PUT_IMAGE_HEAD) / 4;
    let room = u32::try_from(room).unwrap_or(u32::MAX).max(1);
    let mut bytes: u64 = 0;
    let mut pixels = Vec::new();
    for tile in place.damage.iter().flat_map(|rect| tiles(*rect, room)) {
        let from = Rect {
            x: frame.crop.x.saturating_add(tile.x),
            y: frame.crop.y.saturating_add(tile.y),
            ..tile
        };
        pixels.clear();
        let memory = frame.pixels.memory();
        copy::read_rect(&memory, &frame.layout, from, server.format, &mut pixels)?;
        let request = PutImageRequest {
            format: ImageFormat::Z_PIXMAP,
            drawable: place.native.window,
            gc: place.native.gc,
            width: clamped(tile.width),
            height: clamped(tile.height),
            dst_x: coordinate(left.saturating_add(tile.x)),
            dst_y: coordinate(top.saturating_add(tile.y)),
            left_pad: 0,
            depth: server.depth,
            data: Cow::Borrowed(&pixels),
        };
        client.send(request.serialize());
        bytes = bytes.saturating_add(u64::try_from(pixels.len()).unwrap_or(u64::MAX));
    }
    let output = place.output;
    client.barrier(Barrier::Frame { output });
    Ok(bytes)
}

/// Pieces of a rectangle of at most so many pixels each: whole rows, or parts of them.
pub(super) fn tiles(rect: Rect, pixels: u32) -> impl Iterator<Item = Rect> {
    let width = rect.width.min(pixels).max(1);
    let rows = pixels.checked_div(width).unwrap_or(1).max(1);
    let steps = |length: u32, step: u32| {
        let step_by = usize::try_from(step).unwrap_or(usize::MAX);
        (0..length)
            .step_by(step_by)
            .map(move |at| (at, step.min(length.saturating_sub(at))))
    };
    steps(rect.height, rows).flat_map(move |(y, height)| {
        steps(rect.width, width).map(move |(x, width)| Rect {
            x: rect.x.saturating_add(x),
            y: rect.y.saturating_add(y),
            width,
            height,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_is_too_long_for_a_request_is_sent_in_tiles() {
        let tiles = |rect, pixels| tiles(rect, pixels).collect::<Vec<_>>();

        let rows = tiles(Rect::new(1, 2, 10, 5), 25);
        assert_eq!(
            rows,
            [
                Rect::new(1, 2, 10, 2),
                Rect::new(1, 4, 10, 2),
                Rect::new(1, 6, 10, 1)
            ]
        );
        let parts = tiles(Rect::new(1, 2, 10, 2), 7);
        assert_eq!(
            parts,
            [
                Rect::new(1, 2, 7, 1),
                Rect::new(8, 2, 3, 1),
                Rect::new(1, 3, 7, 1),
                Rect::new(8, 3, 3, 1)
            ]
        );
    }
}
