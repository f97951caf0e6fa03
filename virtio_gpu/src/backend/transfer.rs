//! TRANSFER_TO_HOST_2D. A long one is copied in steps, one a turn or more, so
//! that the cursor and the front end never wait for it; commands behind it on
//! the control queue do.

use gpu_buffer::Rect;
use gpu_display::Display;
use gpu_renderer::{Box3, Direction, Transfer, When, Work};

use super::rendering::{Expected, resource_id};
use super::{Backend, Outcome};
use crate::error::CommandError;
use crate::fence::Ticket;
use crate::pixels::{Keep, TransferEnd};
use crate::protocol::{ResourceId, Success};

/// What is left of a transfer.
#[derive(Debug)]
pub(super) struct LongTransfer {
    ticket: Ticket,
    resource: ResourceId,
    /// Rows not copied yet.
    rest: Rect,
    /// Where the first of them is in the backing.
    offset: u64,
}

impl<D: Display> Backend<D> {
    pub(super) fn transfer_to_host_2d(
        &mut self,
        id: ResourceId,
        rect: Rect,
        offset: u64,
        when: When,
    ) -> Outcome {
        if self.resources.is_blob(id) {
            return Outcome::Done(self.transfer_blob(id));
        }
        self.begin_in_file(id);
        match self.check_transfer(id, rect, offset) {
            Ok(Some(_)) if self.resources.is_rendered(id) => {
                self.transfer_rendered(id, rect, offset, when)
            }
            Ok(Some(bytes)) if bytes > self.limits.transfer_step_bytes => {
                let begun = match self.resources.get(id).map(|r| r.host()) {
                    Ok(Some(pixels)) => pixels
                        .begin_transfer(&mut *self.allocator, rect)
                        .map_err(|error| CommandError::transfer(id, error)),
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                };
                if let Err(error) = begun {
                    return Outcome::Done(Err(error));
                }
                let ticket = self.next_ticket();
                self.long_transfer = Some(LongTransfer {
                    ticket,
                    resource: id,
                    rest: rect,
                    offset,
                });
                Outcome::Pending(ticket)
            }
            Ok(Some(_)) => {
                let done = self.transfer(id, rect, offset);
                self.end_transfer(id, &done);
                Outcome::Done(done)
            }
            Ok(None) => Outcome::Done(Ok(Success::NoData)),
            Err(error) => Outcome::Done(Err(error)),
        }
    }

    /// Whether a transfer has to be carried on before the next command of the
    /// control queue.
    pub fn is_transferring(&self) -> bool {
        self.long_transfer.is_some()
    }

    /// Copies the next rows of the long transfer; its end is handed over by
    /// [`Backend::take_finished`].
    pub fn carry_transfer_on(&mut self) {
        let Some(LongTransfer {
            ticket,
            resource,
            rest,
            offset,
        }) = self.long_transfer.take()
        else {
            return;
        };
        let stride = self
            .resources
            .layout(resource)
            .map_or(0, |layout| u64::from(layout.stride()));
        let row_bytes = u64::from(rest.width).saturating_mul(4);
        let rows = self.limits.transfer_step_bytes.checked_div(row_bytes);
        let rows = u32::try_from(rows.unwrap_or(0)).unwrap_or(u32::MAX);
        let rows = rows.clamp(1, rest.height.max(1));
        let band = Rect {
            height: rows,
            ..rest
        };
        let left = rest.height.saturating_sub(rows);
        match self.transfer(resource, band, offset) {
            Ok(_) if left > 0 => {
                self.long_transfer = Some(LongTransfer {
                    ticket,
                    resource,
                    rest: Rect {
                        y: rest.y.saturating_add(rows),
                        height: left,
                        ..rest
                    },
                    offset: offset.saturating_add(stride.saturating_mul(u64::from(rows))),
                });
            }
            ended => {
                self.end_transfer(resource, &ended);
                self.finished.push((ticket, ended));
            }
        }
    }

    /// Checks a transfer as a whole; the number of bytes to copy, `None` if
    /// there is nothing to do.
    fn check_transfer(
        &mut self,
        id: ResourceId,
        rect: Rect,
        offset: u64,
    ) -> Result<Option<u64>, CommandError> {
        let layout = self.resources.layout(id)?;
        let resource = self.resources.get(id)?;
        let backing = resource.backing().ok_or(CommandError::NoBacking(id))?;
        if !layout.bounds().contains(&rect) {
            return Err(CommandError::RectangleOutside {
                rect,
                width: layout.width(),
                height: layout.height(),
            });
        }
        let Some(span) = layout.span(&rect) else {
            return Ok(None);
        };
        let needed = span
            .end_at(offset, u64::from(layout.stride()))
            .unwrap_or(u64::MAX);
        let available = backing.total();
        if needed > available {
            let source = gpu_buffer::Error::SourceTooShort { needed, available };
            return Err(CommandError::Transfer(id, source));
        }
        Ok(Some(span.row_bytes.saturating_mul(u64::from(span.rows))))
    }

    fn transfer(
        &mut self,
        id: ResourceId,
        rect: Rect,
        offset: u64,
    ) -> Result<Success, CommandError> {
        let done = self
            .resources
            .get(id)?
            .transfer(id, &mut *self.allocator, offset, rect);
        self.count_copies(id);
        done.map(|()| Success::NoData)
    }

    /// Adds what was copied into a 2D resource to the statistics.
    pub(super) fn count_copies(&mut self, id: ResourceId) {
        if let Ok(resource) = self.resources.get(id)
            && let Some(pixels) = resource.host()
        {
            self.frames.transferred.copy(pixels.take_copied_bytes());
        }
    }

    fn end_transfer(&mut self, id: ResourceId, outcome: &Result<Success, CommandError>) {
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
        let keep = match resource.scanouts.is_empty() {
            true => Keep::Nothing,
            false => Keep::Spare,
        };
        let end = match outcome {
            Ok(_) => TransferEnd::Done,
            Err(_) => TransferEnd::Failed,
        };
        if let Some(pixels) = resource.host() {
            pixels.end_transfer(end, keep);
        }
        self.count_copies(id);
    }

    /// The renderer copies where it has the contents.
    fn transfer_rendered(
        &mut self,
        id: ResourceId,
        rect: Rect,
        offset: u64,
        when: When,
    ) -> Outcome {
        let stride = self
            .resources
            .layout(id)
            .map_or(0, |layout| layout.stride());
        let work = Work::Transfer(Transfer {
            direction: Direction::ToHost,
            context: None,
            resource: resource_id(id),
            level: 0,
            stride,
            layer_stride: 0,
            region: Box3 {
                x: rect.x,
                y: rect.y,
                z: 0,
                width: rect.width,
                height: rect.height,
                depth: 1,
            },
            offset,
        });
        self.render(work, when, Expected::Command)
    }
}
