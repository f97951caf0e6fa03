//! Pictures of ours in memory files, for a display that shows them there.

use gpu_display::{Display, PictureMemory};

use super::{Backend, refused};
use crate::protocol::ResourceId;
use crate::resource::ResourceTable;

impl<D: Display> Backend<D> {
    /// Moves the pixels of a resource that is to be shown on a scanout into a
    /// memory file, once, if the display shows them there without a copy.
    /// Where that cannot be they stay where they are, and are copied when they
    /// are shown.
    pub(super) fn move_to_file(&mut self, id: ResourceId, scanout: usize) {
        if self.display.picture_memory() == PictureMemory::Any
            || is_in_file(&mut self.resources, id)
        {
            return;
        }
        let resources = &mut self.resources;
        self.in_files.retain(|id| is_in_file(resources, *id));
        if self.in_files.len() >= self.limits.picture_files {
            return;
        }
        let Ok(Some(pixels)) = self.resources.get(id).map(|resource| resource.host()) else {
            return;
        };
        match pixels.move_to_file() {
            Ok(()) => self.in_files.push(id),
            Err(error) => refused(&mut self.throttle, "no memory file", scanout, &error),
        }
    }
}

fn is_in_file(resources: &mut ResourceTable, id: ResourceId) -> bool {
    let pixels = resources.get(id).ok().and_then(|resource| resource.host());
    pixels.is_some_and(|pixels| pixels.is_in_file())
}
