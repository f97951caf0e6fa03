//! What the renderer draws, brought to scanouts and cursors by read-back.

use gpu_buffer::{DrmFourcc, Layout};
use gpu_display::Display;
use gpu_renderer::{JobId, ReadBack, RenderError, When, Work};

use super::Backend;
use super::picture_files::ReadBackAllocator;
use super::rendering::{Expected, Target, resource_id};
use crate::copying::cursor_mirror;
use crate::error::chain_of;
use crate::mirror::{Mirror, MirrorId, Reading, Shown};
use crate::protocol::ResourceId;
use crate::scanout::{ImageState, Pace, Source};

impl<D: Display> Backend<D> {
    /// Has a scanout show copies of a picture in this format, all of which is
    /// to be read.
    pub(super) fn mirror_scanout(&mut self, index: usize, format: DrmFourcc) {
        let (Some(scanout), Some(rendering)) = (self.scanouts.get_mut(index), &mut self.rendering)
        else {
            return;
        };
        let Some(shown) = scanout.shown else {
            return;
        };
        let Ok(layout) = Layout::packed(shown.rect.width, shown.rect.height, format) else {
            return;
        };
        match &mut scanout.source {
            Source::Mirror(mirror) if *mirror.layout() == layout => mirror.damage(layout.bounds()),
            source => *source = Source::Mirror(Mirror::new(rendering.next_mirror(), layout)),
        }
    }

    /// Brings a cursor's mirror in line with its image.
    pub(super) fn mirror_cursor(&mut self, index: usize) {
        let Some(cursor) = self.scanouts.get_mut(index).map(|s| &mut s.cursor) else {
            return;
        };
        let resource = cursor.image.map(|image| self.resources.get(image));
        let layout = match resource {
            Some(Ok(resource)) if resource.is_blob() => {
                cursor.mirror = resource.cursor_layout().map(cursor_mirror);
                cursor.state = ImageState::Changed;
                return;
            }
            Some(Ok(resource)) if resource.is_rendered() => resource.cursor_layout(),
            _ => None,
        };
        let Some(layout) = layout else {
            cursor.mirror = None;
            cursor.state = ImageState::Changed;
            return;
        };
        match &mut cursor.mirror {
            Some(mirror) if *mirror.layout() == layout => mirror.damage(layout.bounds()),
            mirror => {
                let Some(rendering) = &mut self.rendering else {
                    return;
                };
                *mirror = Some(Mirror::new(rendering.next_mirror(), layout));
            }
        }
    }

    /// Reads what changed on a scanout, if the display can take it, a buffer
    /// is free and the renderer has room; otherwise it is read later.
    pub(super) fn read_scanout(&mut self, index: usize) -> Read {
        let has_room = self.renderer_has_room();
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Read::Later;
        };
        let (Some(shown), Source::Mirror(mirror)) = (scanout.shown, &mut scanout.source) else {
            return Read::Later;
        };
        if scanout.pace == Pace::Busy || !has_room {
            return Read::Later;
        }
        let all_shown = match scanout.damage.is_empty() {
            true => Shown::Yes,
            false => Shown::NotYet,
        };
        let mut allocator = ReadBackAllocator {
            memory: self.display.picture_memory(),
            otherwise: &mut *self.allocator,
        };
        match mirror.lend(&mut allocator, all_shown) {
            Ok(Some(reading)) => {
                let mirror = mirror.id();
                self.read(Job {
                    target: Target::Scanout(index),
                    mirror,
                    resource: shown.resource,
                    x: shown.rect.x,
                    y: shown.rect.y,
                    reading,
                })
            }
            Ok(None) => Read::Later,
            Err(error) => {
                super::refused(&mut self.throttle, "no picture", index, &error);
                Read::Later
            }
        }
    }

    /// Reads a cursor's image, if it changed; see [`Backend::read_scanout`].
    /// The cursor queue is served whatever waits on the renderer.
    pub(super) fn read_cursor(&mut self, index: usize) {
        let has_room = self.renderer_has_room();
        let Some(cursor) = self.scanouts.get_mut(index).map(|s| &mut s.cursor) else {
            return;
        };
        let (Some(image), Some(mirror)) = (cursor.image, &mut cursor.mirror) else {
            return;
        };
        if cursor.pace == Pace::Busy || !has_room {
            return;
        }
        if self.resources.is_blob(image) {
            self.copy_cursor(index);
            return;
        }
        let all_shown = match cursor.state {
            ImageState::Presented => Shown::Yes,
            ImageState::Changed => Shown::NotYet,
        };
        match mirror.lend(&mut *self.allocator, all_shown) {
            Ok(Some(reading)) => {
                let mirror = mirror.id();
                self.read(Job {
                    target: Target::Cursor(index),
                    mirror,
                    resource: image,
                    x: 0,
                    y: 0,
                    reading,
                });
            }
            Ok(None) => {}
            Err(error) => super::refused(&mut self.throttle, "no cursor image", index, &error),
        }
    }

    fn read(&mut self, job: Job) -> Read {
        let Some(rendering) = &mut self.rendering else {
            return Read::Later;
        };
        let rects = job.reading.rects();
        let statistics = rendering.statistics_mut();
        statistics.reads = statistics.reads.saturating_add(1);
        for rect in &rects {
            let bytes = rect.area().saturating_mul(4);
            statistics.read_bytes = statistics.read_bytes.saturating_add(bytes);
            if let Target::Scanout(_) = job.target {
                self.frames.textures_read.copy(bytes);
            }
        }
        let work = Work::ReadBack(ReadBack {
            resource: resource_id(job.resource),
            x: job.x,
            y: job.y,
            rects,
            target: job.reading.target(),
        });
        let expected = Expected::Read {
            target: job.target,
            mirror: job.mirror,
            reading: job.reading,
            flush: None,
        };
        Read::Begun(rendering.push(work, When::Taken, expected))
    }

    /// Takes a picture in that was read. One for a mirror that is gone is
    /// stale. After a failure the next flush begins anew.
    pub(super) fn finish_read(
        &mut self,
        target: Target,
        mirror: MirrorId,
        reading: Reading,
        result: &Result<(), RenderError>,
    ) {
        let (Target::Scanout(index) | Target::Cursor(index)) = target;
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let place = match (target, &mut scanout.source) {
            (Target::Cursor(_), _) => scanout.cursor.mirror.as_mut(),
            (Target::Scanout(_), Source::Mirror(current)) => Some(current),
            (Target::Scanout(_), _) => None,
        };
        let Some(current) = place.filter(|current| current.id() == mirror) else {
            return;
        };
        if let Err(error) = result {
            log::debug!("read-back of scanout {index}: {}", chain_of(error));
            match target {
                Target::Cursor(_) => scanout.cursor.mirror = None,
                Target::Scanout(_) => scanout.source = Source::Unread,
            }
            return;
        }
        let news = current.finish(reading);
        match target {
            Target::Scanout(_) => {
                for rect in news.rects() {
                    scanout.damage.add(*rect);
                }
            }
            Target::Cursor(_) => scanout.cursor.state = ImageState::Changed,
        }
    }
}

/// Whether a read-back has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Begun(JobId),
    Later,
}

/// A read-back to be begun.
struct Job {
    target: Target,
    mirror: MirrorId,
    resource: ResourceId,
    x: u32,
    y: u32,
    reading: Reading,
}
