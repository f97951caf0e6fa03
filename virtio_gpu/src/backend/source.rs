//! Where a scanout's picture comes from: pixels of ours, the renderer's own
//! memory, or copies of what the renderer draws.

use std::sync::Arc;

use gpu_buffer::DrmFourcc;
use gpu_display::{Damage, Display, DisplayError, DmaBuf, Frame, PixelSource, Presented};
use gpu_renderer::{JobId, RenderError, Timeline, When, Work};

use super::read_back::Read;
use super::rendering::{Expected, resource_id};
use super::{Backend, Step, refused};
use crate::protocol::ResourceId;
use crate::scanout::{Shown, Source};
use crate::share::Share;

/// A fence that is not the command's own.
const DRAWN: When = When::Passed(Timeline::Global);

impl<D: Display> Backend<D> {
    /// Decides where the picture of a scanout comes from. All of it is to be
    /// presented.
    pub(super) fn choose_source(&mut self, index: usize) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        scanout.damage = Damage::default();
        let Some(shown) = scanout.shown else {
            scanout.source = Source::Host;
            return;
        };
        if let Some(framebuffer) = shown.framebuffer {
            self.choose_blob_source(index, shown, framebuffer);
            return;
        }
        let format = match self.resources.get(shown.resource) {
            Ok(resource) if resource.is_rendered() => resource.layout().map(|l| l.format()),
            _ => None,
        };
        match format {
            None => {
                scanout.source = Source::Host;
                scanout.damage_all();
            }
            Some(format) if self.can_share(shown.resource, format) => {
                self.ask_for_memory(shown.resource);
                if let Some(scanout) = self.scanouts.get_mut(index) {
                    let mut undrawn = Damage::new();
                    undrawn.add(shown.surface_bounds());
                    scanout.source = Source::Shared { undrawn };
                }
            }
            Some(format) => self.mirror_scanout(index, format),
        }
    }

    fn can_share(&mut self, id: ResourceId, format: DrmFourcc) -> bool {
        let Some(rendering) = &self.rendering else {
            return false;
        };
        if !rendering.queue().shares_textures() || rendering.unshown.contains(&format) {
            return false;
        }
        match self.resources.share(id) {
            None | Some(Share::Refused) => false,
            Some(Share::Asked(_) | Share::Given(_)) => true,
            // Each holds descriptors, of which there are only so many.
            Some(Share::Unknown) => self.resources.shared() < self.limits.shared_resources,
        }
    }

    /// Asks the renderer for the memory of a resource, once.
    fn ask_for_memory(&mut self, id: ResourceId) {
        if let Some(rendering) = &mut self.rendering
            && let Some(share @ Share::Unknown) = self.resources.share(id)
        {
            let resource = resource_id(id);
            let expected = Expected::Share { resource: id };
            let job = rendering.push(Work::Share { resource }, When::Taken, expected);
            *share = Share::Asked(job);
        }
    }

    /// Takes the memory of a resource in that a job has asked for. Where there
    /// is none, all that shows the resource shows copies of it at once.
    pub(super) fn finish_share(
        &mut self,
        id: ResourceId,
        job: JobId,
        picture: Result<Arc<DmaBuf>, RenderError>,
    ) {
        let Some(share) = self.resources.share(id) else {
            return;
        };
        if !matches!(share, Share::Asked(asked) if *asked == job) {
            return;
        }
        match picture {
            Ok(picture) => *share = Share::Given(picture),
            Err(error) => {
                *share = Share::Refused;
                self.warn("a picture is copied, not shared", &error);
                self.choose_sources(id);
            }
        }
    }

    /// Brings a scanout's picture to where it can be presented, as far as it
    /// changed and can be now.
    pub(super) fn prepare(&mut self, index: usize) -> Read {
        match self.scanouts.get(index).map(|scanout| &scanout.source) {
            Some(Source::Shared { .. }) => self.await_drawing(index),
            Some(Source::Copied(_)) => {
                self.copy_scanout(index);
                Read::Later
            }
            _ => self.read_scanout(index),
        }
    }

    /// Has what changed in a shared picture presented once it is drawn.
    fn await_drawing(&mut self, index: usize) -> Read {
        let has_room = self.renderer_has_room();
        let (Some(scanout), Some(rendering)) = (self.scanouts.get_mut(index), &mut self.rendering)
        else {
            return Read::Later;
        };
        let (Some(shown), Source::Shared { undrawn }) = (scanout.shown, &mut scanout.source) else {
            return Read::Later;
        };
        if undrawn.is_empty() || !has_room {
            return Read::Later;
        }
        let expected = Expected::Drawn {
            index,
            shown,
            news: undrawn.take(),
            flush: None,
        };
        Read::Begun(rendering.push(Work::Fence, DRAWN, expected))
    }

    /// What changed is drawn, or never will be: then the picture is shown as
    /// it is. News of what is not shown any more is stale.
    pub(super) fn finish_drawing(&mut self, index: usize, shown: Shown, news: &Damage) {
        if let Some(scanout) = self.scanouts.get_mut(index)
            && scanout.shown == Some(shown)
            && let Source::Shared { .. } = scanout.source
        {
            for rect in news.rects() {
                scanout.damage.add(*rect);
            }
        }
    }

    /// Hands a shared picture to the display. One that refuses it gets copies
    /// from now on, of this and of all others of the format, until it has lost
    /// its picture, as it does when it becomes another.
    pub(super) fn present_shared(&mut self, index: usize) -> Step {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Step::Done;
        };
        let (Some(shown), Some(surface)) = (scanout.shown, scanout.surface) else {
            return Step::Done;
        };
        let Ok(layout) = self.resources.layout(shown.resource) else {
            return Step::Done;
        };
        let Some(Share::Given(picture)) = self.resources.share(shown.resource) else {
            return Step::Done;
        };
        let frame = Frame {
            pixels: PixelSource::DmaBuf(picture),
            layout,
            crop: shown.rect,
            damage: scanout.damage.rects(),
        };
        match self.display.present(surface, &frame) {
            Ok(presented) => {
                if presented == Presented::Taken {
                    self.frames.textures_shared.take();
                }
                if presented == Presented::Taken
                    && let Some(rendering) = &mut self.rendering
                {
                    let frames = &mut rendering.statistics_mut().shared_frames;
                    *frames = frames.saturating_add(1);
                }
                scanout.note(presented)
            }
            Err(error @ DisplayError::DmaBufRefused { .. }) => {
                refused(&mut self.throttle, "copies are shown", index, &error);
                self.refuse(shown.resource, layout.format());
                self.read_scanout(index);
                Step::Done
            }
            Err(error) => {
                refused(&mut self.throttle, "no picture", index, &error);
                Step::Done
            }
        }
    }

    fn refuse(&mut self, id: ResourceId, format: DrmFourcc) {
        if let Some(rendering) = &mut self.rendering
            && !rendering.unshown.contains(&format)
        {
            rendering.unshown.push(format);
        }
        if let Some(share) = self.resources.share(id) {
            *share = Share::Unknown;
        }
        self.choose_sources(id);
    }

    /// Has all scanouts that show a resource show it from where it is now.
    pub(super) fn choose_sources(&mut self, id: ResourceId) {
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
        for scanout in resource.scanouts.iter() {
            if let Ok(index) = self.scanout_index(scanout) {
                self.choose_source(index);
            }
        }
    }
}
