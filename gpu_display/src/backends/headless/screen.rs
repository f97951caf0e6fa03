//! One output of the headless display.

use std::time::{Duration, Instant};

use gpu_buffer::Rect;

use super::Picture;
use super::compose::{Cursor, compose};
use super::writer::{Job, Writer};
use crate::{DisplayError, SurfaceId, Swapchain};

/// Time between two files of one output.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// Buffers for the writer: one that it writes, one that waits.
const WRITE_BUFFERS: usize = 2;

/// What one output shows, and which buffers of it are being written.
#[derive(Debug)]
pub(super) struct Screen {
    /// The scanout surface of the output.
    pub(super) scanout: Option<SurfaceId>,
    /// The newest picture. When the output went blank it stays for its file.
    picture: Option<Picture>,
    lit: bool,
    chain: Swapchain<Picture>,
    /// When the next file may be written.
    due: Instant,
}

impl Screen {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            scanout: None,
            picture: None,
            lit: false,
            chain: Swapchain::new(Rect::default(), WRITE_BUFFERS),
            due: now,
        }
    }

    /// The picture that is shown, `None` while the output is blank.
    pub(super) fn picture(&self) -> Option<&Picture> {
        self.picture.as_ref().filter(|_| self.lit)
    }

    /// Shows pictures of this size from now on. After a change all of it has to be drawn.
    pub(super) fn light(&mut self, width: u32, height: u32) -> Result<(), DisplayError> {
        let size = Rect::from_size(width, height);
        if self.picture.as_ref().map(Picture::bounds) != Some(size) {
            self.picture = Some(Picture::new(width, height)?);
            self.chain.resize(size);
        }
        self.lit = true;
        Ok(())
    }

    /// Shows nothing until the next [`Screen::light`].
    pub(super) fn blank(&mut self) {
        self.lit = false;
    }

    /// Draws `area` anew.
    pub(super) fn draw<'a>(
        &mut self,
        area: &Rect,
        scanout: &Picture,
        cursors: impl Iterator<Item = Cursor<'a>>,
    ) {
        let Some(picture) = self.picture.as_mut().filter(|_| self.lit) else {
            return;
        };
        if let Some(area) = area.intersection(&picture.bounds()) {
            compose(picture, &area, scanout, cursors);
            self.chain.damage(area);
        }
    }

    /// When [`Screen::write_due`] has something to do, `None` if nothing changed or all buffers
    /// are with the writer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.chain.has_news() && self.chain.can_acquire()).then_some(self.due)
    }

    /// Hands the newest picture to the writer if it is time.
    pub(super) fn write_due(&mut self, output: u32, writer: &mut Writer, now: Instant) {
        if self.deadline().is_none_or(|due| due > now) {
            return;
        }
        self.due = now.checked_add(WRITE_INTERVAL).unwrap_or(now);
        let Some(picture) = &self.picture else {
            return;
        };
        let lease = self
            .chain
            .acquire(|| Picture::new(picture.width, picture.height));
        match lease {
            Ok(Some(mut lease)) => {
                for rect in lease.stale.rects() {
                    lease.buffer.write(rect, picture.rows(rect));
                }
                if let Err(job) = writer.start(Job { output, lease }) {
                    self.take_back(job);
                }
            }
            Ok(None) => {}
            Err(error) => writer.report(Err(error)),
        }
    }

    /// Takes a buffer back from the writer.
    pub(super) fn take_back(&mut self, job: Job) {
        // A buffer of a size that is shown no more is dropped here.
        let _ = self.chain.release(job.lease);
    }

    /// The picture that still has to be written.
    pub(super) fn unwritten(&self) -> Option<&Picture> {
        self.picture.as_ref().filter(|_| self.chain.has_news())
    }
}
