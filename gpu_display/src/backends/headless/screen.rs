//! One output of the headless display: which pictures of it go into its file, and when.

use std::time::{Duration, Instant};

use gpu_buffer::Rect;

use super::Picture;
use super::surface::View;
use super::writer::{Job, Outcome, Writer};
use crate::{DisplayError, SurfaceId, Swapchain};

/// Time between two files of one output.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// Buffers for the writer. With a second one a picture could wait in it, and grow old.
const WRITE_BUFFERS: usize = 1;

/// What one output shows, and which buffer of it is being written.
#[derive(Debug)]
pub(super) struct Screen {
    /// The scanout surface of the output.
    pub(super) scanout: Option<SurfaceId>,
    /// What was shown when the output went blank, until it is in its file.
    last: Option<Picture>,
    size: Rect,
    chain: Swapchain<Picture>,
    /// Whether a picture was to be written and was not.
    failed: bool,
    /// When the next file may be written.
    due: Instant,
}

impl Screen {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            scanout: None,
            last: None,
            size: Rect::default(),
            chain: Swapchain::new(Rect::default(), WRITE_BUFFERS),
            failed: false,
            due: now,
        }
    }

    /// Shows pictures of this size from now on.
    pub(super) fn light(&mut self, size: Rect) {
        self.last = None;
        self.failed = false;
        if self.size != size {
            self.size = size;
            self.chain.resize(size);
        }
    }

    /// Takes the picture that was shown until now: it may have to be written yet.
    pub(super) fn blank(&mut self, last: Picture) {
        if self.has_news() || self.is_writing() {
            self.last = Some(last);
        }
    }

    /// Notes that the picture changed in `area`.
    pub(super) fn damage(&mut self, area: Rect) {
        self.chain.damage(area);
    }

    /// When [`Screen::write_due`] has something to do, `None` if nothing changed or the buffer is
    /// with the writer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.has_news() && !self.is_writing()).then_some(self.due)
    }

    /// Hands the newest picture to the writer if it is time. `view` is what the output shows.
    pub(super) fn write_due(
        &mut self,
        output: u32,
        view: Option<&View<'_>>,
        writer: &mut Writer,
        now: Instant,
    ) {
        if self.deadline().is_none_or(|due| due > now) {
            return;
        }
        self.due = now.checked_add(WRITE_INTERVAL).unwrap_or(now);
        if view.is_none() && self.last.is_none() {
            return;
        }
        match self
            .chain
            .acquire(|| Picture::new(self.size.width, self.size.height))
        {
            Ok(Some(mut lease)) => {
                for rect in lease.stale.rects() {
                    match (view, &self.last) {
                        (Some(view), _) => view.draw(&mut lease.buffer, rect),
                        (None, Some(last)) => lease.buffer.write(rect, last.rows(rect)),
                        (None, None) => {}
                    }
                }
                self.write(Job { output, lease }, writer);
            }
            Ok(None) => {}
            Err(error) => writer.report(&Err(error)),
        }
    }

    /// Hands the newest picture to the writer without a copy, for the last time. `shown` is what
    /// the output shows.
    pub(super) fn write_last(&mut self, output: u32, shown: Option<Picture>, writer: &mut Writer) {
        if !self.has_news() {
            return;
        }
        let Some(picture) = shown.or_else(|| self.last.take()) else {
            return;
        };
        let lease = self
            .chain
            .acquire(|| Ok::<_, DisplayError>(Picture::empty()));
        if let Ok(Some(mut lease)) = lease {
            lease.buffer = picture;
            self.write(Job { output, lease }, writer);
        }
    }

    /// Takes a buffer back from the writer. A picture that was not written is tried again when the
    /// next file is due.
    pub(super) fn take_back(&mut self, job: Job, outcome: Outcome) {
        // A buffer of a size that is shown no more is dropped here.
        let _ = self.chain.release(job.lease);
        match outcome {
            Outcome::Failed => self.failed = true,
            Outcome::Written if !self.has_news() => self.last = None,
            Outcome::Written => {}
        }
    }

    fn write(&mut self, job: Job, writer: &mut Writer) {
        self.failed = false;
        if let Err(job) = writer.start(job) {
            self.take_back(job, Outcome::Failed);
        }
    }

    /// Whether the newest picture is neither in its file nor on its way there.
    fn has_news(&self) -> bool {
        self.failed || self.chain.has_news()
    }

    fn is_writing(&self) -> bool {
        !self.chain.can_acquire()
    }
}
