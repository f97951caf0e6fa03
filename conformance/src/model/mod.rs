//! A reference model of the state tracker: what a device must do, written as plainly as can be
//! and without looking at how one does it.
//!
//! Sizes are small, so every byte of a backing has its own place in a list, and every pixel of a
//! scanout its own mark.

mod operation;
mod resource;
mod rules;
mod screen;

use std::collections::{BTreeMap, BTreeSet};

pub use operation::{Operation, Way};
use resource::{Owner, Resource};
pub use screen::{Cursor, Image, Right, Scanout};

/// UNSPEC.
pub const UNSPEC: u32 = 0x1200;
/// OUT_OF_MEMORY.
pub const OOM: u32 = 0x1201;
/// INVALID_SCANOUT_ID.
pub const BADSCAN: u32 = 0x1202;
/// INVALID_RESOURCE_ID.
pub const BADRES: u32 = 0x1203;
/// INVALID_CONTEXT_ID.
pub const BADCTX: u32 = 0x1204;
/// INVALID_PARAMETER.
pub const BADPARAM: u32 = 0x1205;

/// B8G8R8X8, the format of textures.
const PIXELS: u32 = 2;

/// The caps that the model knows.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Live resources.
    pub resources: usize,
    /// Bytes of all pixels.
    pub host_bytes: u64,
    /// Bytes of what the renderer has.
    pub renderer_bytes: u64,
    /// Width and height.
    pub side: u32,
    /// Bytes on all scanouts.
    pub shown_bytes: u64,
    /// Width and height of a cursor.
    pub cursor_side: u32,
    /// Entries of a backing.
    pub backing_entries: usize,
    /// Live contexts.
    pub contexts: usize,
    /// Attachments of resources to contexts.
    pub attachments: usize,
}

/// The tracker.
#[derive(Debug)]
pub struct Model {
    caps: Caps,
    /// The memory that backings refer to.
    memory: Vec<u8>,
    resources: BTreeMap<u32, Resource>,
    /// What each context may use.
    contexts: BTreeMap<u32, BTreeSet<u32>>,
    /// What was attached as a 2D resource and waits for a stream of its context, oldest first.
    plain: Vec<(u32, u32)>,
    promotions: u64,
    /// All scanouts.
    pub scanouts: Vec<Scanout>,
}

impl Model {
    /// A tracker without resources.
    pub fn new(caps: Caps, scanouts: u32, memory: usize) -> Self {
        Self {
            caps,
            memory: vec![0; memory],
            resources: BTreeMap::new(),
            contexts: BTreeMap::new(),
            plain: Vec::new(),
            promotions: 0,
            scanouts: (0..scanouts).map(|_| Scanout::default()).collect(),
        }
    }

    /// Number of resources.
    pub fn resources(&self) -> usize {
        self.resources.len()
    }

    /// The ids in use.
    pub fn ids(&self) -> Vec<u32> {
        self.resources.keys().copied().collect()
    }

    /// The contexts there are.
    pub fn contexts(&self) -> Vec<u32> {
        self.contexts.keys().copied().collect()
    }

    /// Attachments of resources to contexts.
    pub fn attachments(&self) -> usize {
        self.contexts.values().map(BTreeSet::len).sum()
    }

    /// 2D resources that became the renderer's.
    pub fn promotions(&self) -> u64 {
        self.promotions
    }

    /// What the renderer has: ids and pixels.
    pub fn rendered(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.resources
            .iter()
            .filter(|(_, resource)| resource.owner == Owner::Renderer)
            .map(|(id, resource)| (*id, &resource.bytes[..]))
    }

    /// Width and height of a resource.
    pub fn size(&self, id: u32) -> Option<(u32, u32)> {
        let resource = self.resources.get(&id)?;
        Some((resource.width, resource.height))
    }

    /// Bytes of all pixels that are ours.
    pub fn host_bytes(&self) -> u64 {
        self.bytes_of(Owner::Host)
    }

    /// Bytes of all pixels that are the renderer's.
    pub fn renderer_bytes(&self) -> u64 {
        self.bytes_of(Owner::Renderer)
    }

    fn bytes_of(&self, owner: Owner) -> u64 {
        let of_owner = self.resources.values().filter(|r| r.owner == owner);
        of_owner.map(|resource| resource.bytes.len()).sum::<usize>() as u64
    }

    /// The memory that backings refer to.
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// The guest writes to its memory.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Does what an operation does even if it is refused afterwards: a stream or a 3D transfer
    /// makes 2D resources the renderer's first.
    pub fn prepare(&mut self, operation: &Operation) {
        match operation {
            Operation::Submit(context, _) if self.contexts.contains_key(context) => {
                let waiting: Vec<_> = self.plain.extract_if(.., |(of, _)| of == context).collect();
                for (_, id) in waiting {
                    self.promote(id);
                }
            }
            Operation::Transfer3d { context, id, .. } => {
                let attached = *context == 0 || self.is_attached(*context, *id);
                let backed = self.resources.get(id).is_some_and(|r| r.backing.is_some());
                if attached && backed {
                    self.promote(*id);
                }
            }
            _ => {}
        }
    }

    fn promote(&mut self, id: u32) {
        let room = self.caps.renderer_bytes - self.renderer_bytes();
        let Some(resource) = self.resources.get_mut(&id) else {
            return;
        };
        if resource.owner == Owner::Host && resource.bytes.len() as u64 <= room {
            resource.owner = Owner::Renderer;
            self.promotions += 1;
        }
    }

    /// Carries out an operation that [`Model::refusals`] finds nothing against.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create {
                id,
                format,
                width,
                height,
            } => {
                let resource = Resource::new(*format, *width, *height, Owner::Host);
                self.resources.insert(*id, resource);
            }
            Operation::Create3d(id, width, height) => {
                let resource = Resource::new(PIXELS, *width, *height, Owner::Renderer);
                self.resources.insert(*id, resource);
            }
            Operation::Unref(id) => self.unref(*id),
            Operation::Attach(id, entries) => {
                let bytes = entries.iter().flat_map(|(at, length)| *at..at + length);
                let backing = bytes.map(|at| at as usize).collect();
                self.resource(*id).backing = Some(backing);
            }
            Operation::Detach(id) => self.resource(*id).backing = None,
            Operation::Transfer(id, rect, offset) => {
                self.transfer(Way::ToHost, *id, rect, *offset);
            }
            Operation::SetScanout(scanout, id, rect) => {
                let scanout = &mut self.scanouts[*scanout as usize];
                match self.resources.get(id) {
                    Some(resource) => scanout.show(*id, *rect, resource),
                    None => scanout.darken(),
                }
            }
            Operation::Flush(id, rect) => self.flush(*id, rect),
            Operation::UpdateCursor {
                scanout,
                id,
                hot,
                at,
            } => {
                let cursor = &mut self.scanouts[*scanout as usize].cursor;
                cursor.at = *at;
                if let Some(resource) = self.resources.get(id) {
                    cursor.image = Some(*id);
                    cursor.hot = *hot;
                    cursor.pending = true;
                    cursor.images = vec![resource.image(&resource.bounds())];
                } else {
                    cursor.image = None;
                    cursor.displayed = None;
                }
            }
            Operation::MoveCursor(scanout, at) => {
                self.scanouts[*scanout as usize].cursor.at = *at;
            }
            Operation::CreateContext(context) => {
                self.contexts.insert(*context, BTreeSet::new());
            }
            Operation::DestroyContext(context) => {
                self.contexts.remove(context);
                self.plain.retain(|(of, _)| of != context);
            }
            Operation::AttachTo(context, id) => self.attach_to(*context, *id),
            Operation::DetachFrom(context, id) => {
                self.context(*context).remove(id);
                self.plain.retain(|plain| *plain != (*context, *id));
            }
            Operation::Transfer3d {
                way,
                id,
                rect,
                offset,
                ..
            } => self.transfer(*way, *id, rect, *offset),
            Operation::Submit(_, fill) => {
                if let Some((id, colour)) = fill {
                    for pixel in self.resource(*id).bytes.as_chunks_mut::<4>().0 {
                        *pixel = colour.to_le_bytes();
                    }
                    self.note(*id);
                }
            }
        }
    }

    /// What a scanout's display may show of each pixel if it takes frames now.
    pub fn newest(&self, scanout: usize) -> Option<Vec<Right<u32>>> {
        let scanout = &self.scanouts[scanout];
        let (id, rect) = scanout.shown?;
        let resource = self.resources.get(&id)?;
        let pixels = resource.image(&rect).pixels;
        let marks = scanout.pending.iter().zip(&scanout.values);
        let right = pixels.into_iter().zip(marks);
        let right = right.map(|(now, (pending, values))| Right {
            values: match resource.owner {
                Owner::Host => vec![now],
                Owner::Renderer => values.clone(),
            },
            older_will_do: !pending,
        });
        Some(right.collect())
    }

    /// What the cursor of a lit scanout may be.
    pub fn newest_cursor(&self, scanout: usize) -> Option<Right<Image>> {
        let scanout = &self.scanouts[scanout];
        scanout.shown?;
        let resource = self.resources.get(&scanout.cursor.image?)?;
        let values = match resource.owner {
            Owner::Host => vec![resource.image(&resource.bounds())],
            Owner::Renderer => scanout.cursor.images.clone(),
        };
        Some(Right {
            values,
            older_will_do: !scanout.cursor.pending,
        })
    }

    /// Takes over what was found on the display and found right; nothing is pending any more
    /// if it takes frames.
    pub fn settle(&mut self, scanout: usize, shown: Option<Image>, cursor: Option<Image>) {
        let scanout = &mut self.scanouts[scanout];
        scanout.displayed = shown;
        scanout.pending.fill(false);
        scanout.cursor.displayed = cursor;
        scanout.cursor.pending = false;
    }

    fn scanout(&self, scanout: u32) -> Option<&Scanout> {
        self.scanouts.get(scanout as usize)
    }

    fn resource(&mut self, id: u32) -> &mut Resource {
        self.resources
            .get_mut(&id)
            .expect("the resource was looked up")
    }

    fn context(&mut self, context: u32) -> &mut BTreeSet<u32> {
        self.contexts
            .get_mut(&context)
            .expect("the context was looked up")
    }

    fn is_attached(&self, context: u32, id: u32) -> bool {
        let attached = self.contexts.get(&context);
        attached.is_some_and(|attached| attached.contains(&id))
    }

    fn attach_to(&mut self, context: u32, id: u32) {
        let is_new = self.context(context).insert(id);
        if is_new && self.resource(id).owner == Owner::Host {
            self.plain.push((context, id));
        }
    }

    fn unref(&mut self, id: u32) {
        self.resources.remove(&id);
        for attached in self.contexts.values_mut() {
            attached.remove(&id);
        }
        self.plain.retain(|(_, of)| *of != id);
        for scanout in &mut self.scanouts {
            if scanout.cursor.image == Some(id) {
                scanout.cursor.image = None;
                scanout.cursor.displayed = None;
            }
            if scanout.shown.is_some_and(|(shown, _)| shown == id) {
                scanout.darken();
            }
        }
    }

    fn transfer(&mut self, way: Way, id: u32, rect: &gpu_buffer::Rect, offset: u64) {
        let resource = self.resources.get_mut(&id).expect("it was looked up");
        if rect.is_empty() {
            return;
        }
        for (here, in_memory) in resource.places(rect, offset) {
            match way {
                Way::ToHost => resource.bytes[here] = self.memory[in_memory],
                Way::FromHost => self.memory[in_memory] = resource.bytes[here],
            }
        }
        self.note(id);
    }

    /// A resource holds something else now.
    fn note(&mut self, id: u32) {
        let resource = &self.resources[&id];
        for scanout in &mut self.scanouts {
            if scanout.shown.is_some_and(|(shown, _)| shown == id) {
                scanout.note(resource);
            }
            if scanout.cursor.image == Some(id) {
                let image = resource.image(&resource.bounds());
                scanout.cursor.images.push(image);
            }
        }
    }

    fn flush(&mut self, id: u32, rect: &gpu_buffer::Rect) {
        let resource = &self.resources[&id];
        for scanout in &mut self.scanouts {
            if scanout.shown.is_some_and(|(shown, _)| shown == id) {
                scanout.flush(rect, resource);
            }
            if scanout.cursor.image == Some(id) {
                scanout.cursor.pending = true;
                scanout.cursor.images = vec![resource.image(&resource.bounds())];
            }
        }
    }
}
