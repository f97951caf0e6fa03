//! Pictures in a GPU's memory: the front end is handed their dma-buf once, told what changed, and says when it has
//! shown that.

use std::sync::Arc;
use std::time::Instant;

use gpu_buffer::Rect;
use gpu_display::{DisplayError, DmaBuf, Frame, Presented, Role, SurfaceId};

use super::client::{Client, Question};
use super::surfaces::Announced;
use super::wire::{MAX_SIDE, Update};
use super::{Greeting, RemoteDisplay, SharedPictures};
use crate::Error;

/// `DRM_FORMAT_MOD_LINEAR`: rows of pixels.
const LINEAR: u64 = 0;

/// `DRM_FORMAT_MOD_INVALID`: the driver knows how the pixels lie.
const INVALID: u64 = 0x00ff_ffff_ffff_ffff;

/// How a dma-buf is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// DMABUF_SCANOUT.
    Plain,
    /// DMABUF_SCANOUT2.
    WithModifier,
}

/// What can be done with a dma-buf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Tell(Form),
    /// It is not known yet.
    Later,
    Refuse,
}

impl RemoteDisplay {
    /// Presents a dma-buf. While the front end has not shown the last one the display is busy.
    pub(super) fn present_shared(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
        picture: &Arc<DmaBuf>,
    ) -> Result<Presented, DisplayError> {
        let request = self.surfaces.get(surface)?.request;
        let (SharedPictures::Yes, Role::Scanout { output }) = (self.shared_pictures, request.role)
        else {
            // It is refused.
            return frame.check(&request).map(|()| Presented::Taken);
        };
        frame.check_shape(&request)?;
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&request.width) || !sides.contains(&request.height) {
            return Ok(Presented::Taken);
        }
        let form = match self.verdict(frame, picture) {
            Verdict::Tell(form) => form,
            Verdict::Later => {
                self.await_greeting(surface, Instant::now());
                return Ok(Presented::Busy);
            }
            Verdict::Refuse => {
                return Err(DisplayError::DmaBufRefused {
                    format: picture.format,
                    modifier: picture.modifier,
                });
            }
        };
        let mut presented = Presented::Taken;
        self.with_client(|display, client| {
            display.send_waiting(client)?;
            if client.is_full() || client.is_asked(Question::Frame(output)) {
                presented = Presented::Busy;
                return Ok(());
            }
            display.send_shared(client, surface, output, frame, picture, form)
        });
        Ok(self.settle(surface, presented))
    }

    fn verdict(&self, frame: &Frame<'_>, picture: &DmaBuf) -> Verdict {
        let [plane] = picture.planes.as_slice() else {
            return Verdict::Refuse;
        };
        // The messages have one plane, no offset, and QEMU takes the picture from its first pixel on.
        if plane.offset != 0 || (frame.crop.x, frame.crop.y) != (0, 0) {
            return Verdict::Refuse;
        }
        let is_greeting = self
            .client
            .as_ref()
            .is_some_and(|client| client.is_asked(Question::Features))
            && !self.knowledge.is_silent()
            && self.greeting != Greeting::Overdue;
        match picture.modifier {
            INVALID => Verdict::Tell(Form::Plain),
            _ if self.modifiers_offered => Verdict::Tell(Form::WithModifier),
            LINEAR => Verdict::Tell(Form::Plain),
            _ if is_greeting => Verdict::Later,
            // Without a socket nothing is shown.
            _ if self.client.is_none() => Verdict::Tell(Form::Plain),
            _ => Verdict::Refuse,
        }
    }

    fn send_shared(
        &mut self,
        client: &mut Client,
        surface: SurfaceId,
        output: u32,
        frame: &Frame<'_>,
        picture: &Arc<DmaBuf>,
        form: Form,
    ) -> Result<(), Error> {
        let Ok(request) = self.surfaces.get(surface).map(|surface| surface.request) else {
            return Ok(());
        };
        let whole = Rect::from_size(request.width, request.height);
        let announced = self
            .surfaces
            .announce_shared(client, surface, output, picture, form);
        let changed = match announced {
            Announced::JustNow => whole,
            Announced::Before => bounds(frame.damage),
        };
        client.show(&Update {
            scanout: output,
            x: changed.x,
            y: changed.y,
            width: changed.width,
            height: changed.height,
        });
        client.flush()
    }
}

/// The smallest rectangle around all of them.
fn bounds(rects: &[Rect]) -> Rect {
    let edge = |start: u32, size: u32| start.saturating_add(size);
    let left = rects.iter().map(|rect| rect.x).min().unwrap_or(0);
    let top = rects.iter().map(|rect| rect.y).min().unwrap_or(0);
    let right = rects.iter().map(|rect| edge(rect.x, rect.width)).max();
    let bottom = rects.iter().map(|rect| edge(rect.y, rect.height)).max();
    Rect {
        x: left,
        y: top,
        width: right.unwrap_or(0).saturating_sub(left),
        height: bottom.unwrap_or(0).saturating_sub(top),
    }
}
