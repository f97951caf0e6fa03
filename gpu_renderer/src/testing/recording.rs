//! A renderer that draws next to nothing and tells everything.

mod call;
mod journal;
mod order;
mod shared;
mod state;
mod texture;

use std::os::fd::OwnedFd;

use gpu_buffer::ScatterList;

use crate::{
    Capset, CapsetId, Capsets, ContextArgs, ContextId, DmaBuf, FenceId, PassedFence, ReadBack,
    RenderError, Renderer, ResourceArgs, ResourceId, Timeline, Transfer, Upload,
};
pub use call::{Call, Method};
pub use journal::Journal;
pub use order::Order;
use shared::Sharing;
use texture::Texture;

/// A [`Renderer`] for tests of devices.
///
/// It is as strict with ids, regions and backings as a real one, and keeps the
/// pixels of 2D textures of one level and four bytes a texel: transfers,
/// uploads and read-backs really copy them, and command streams made of
/// [`Order`]s fill them. Other resources have arguments and a backing only.
/// A fence passes at once unless its [`Journal`] holds it.
///
/// It may be made on one thread and used on another.
///
/// ```
/// use gpu_renderer::testing::{Call, Order, Recording};
/// use gpu_renderer::{ContextArgs, ContextId, RenderError, RenderQueue, When, Work};
///
/// let (recording, journal) = Recording::new();
/// let mut queue = RenderQueue::inline(Box::new(recording));
///
/// let (context, args) = (ContextId(1), ContextArgs::default());
/// queue.push(Work::CreateContext { context, args }, When::Taken);
/// let commands = Order::stream(&[Order::Fail]);
/// queue.push(Work::Submit { context, commands }, When::Taken);
///
/// assert!(queue.next_completion().unwrap().result.is_ok());
/// let failed = queue.next_completion().unwrap();
/// assert!(matches!(failed.result, Err(RenderError::Refused { .. })));
/// assert_eq!(journal.contexts(), [context]);
/// assert_eq!(journal.calls().len(), 2);
/// ```
#[derive(Debug)]
pub struct Recording {
    journal: Journal,
}

impl Recording {
    /// A renderer, and the way to look into it.
    pub fn new() -> (Self, Journal) {
        let journal = Journal::default();
        let recording = Self {
            journal: journal.clone(),
        };
        (recording, journal)
    }

    /// One that shares its textures: as memory files, which say that they are
    /// linear dma-bufs. It imports such files, too. Its fences are sockets, readable
    /// when the fence has passed.
    pub fn sharing() -> (Self, Journal) {
        let (recording, journal) = Self::new();
        journal.share_textures();
        (recording, journal)
    }
}

impl Drop for Recording {
    /// Lets go of everything.
    fn drop(&mut self) {
        let mut state = self.journal.lock();
        state.note_thread();
        state.clear();
    }
}

impl Renderer for Recording {
    /// VIRGL of 308 bytes and VIRGL2 of 1376, all of them their id.
    fn capsets(&self) -> Capsets {
        let mut capsets = Capsets::default();
        capsets.add(Capset {
            id: CapsetId::VIRGL,
            max_version: 1,
            data: vec![1; 308],
        });
        capsets.add(Capset {
            id: CapsetId::VIRGL2,
            max_version: 2,
            data: vec![2; 1376],
        });
        capsets
    }

    fn shares_textures(&self) -> bool {
        self.journal.lock().sharing == Sharing::Yes
    }

    fn exports_fences(&self) -> bool {
        self.shares_textures()
    }

    fn create_context(
        &mut self,
        context: ContextId,
        args: &ContextArgs,
    ) -> Result<(), RenderError> {
        let call = Call::create_context(context, args);
        let mut state = self.journal.begin(call)?;
        if context.0 == 0 || state.contexts.contains_key(&context) {
            return Err(RenderError::ContextIdTaken(context));
        }
        state.contexts.insert(context, Default::default());
        Ok(())
    }

    fn destroy_context(&mut self, context: ContextId) -> Result<(), RenderError> {
        let mut state = self.journal.begin(Call::DestroyContext { context })?;
        state.context(context)?;
        state.contexts.remove(&context);
        state.fences.forget(context);
        Ok(())
    }

    fn attach_resource(
        &mut self,
        context: ContextId,
        resource: ResourceId,
    ) -> Result<(), RenderError> {
        let call = Call::AttachResource { context, resource };
        let mut state = self.journal.begin(call)?;
        state.texture(resource)?;
        state.context(context)?.insert(resource);
        Ok(())
    }

    fn detach_resource(
        &mut self,
        context: ContextId,
        resource: ResourceId,
    ) -> Result<(), RenderError> {
        let call = Call::DetachResource { context, resource };
        let mut state = self.journal.begin(call)?;
        state.texture(resource)?;
        state.context(context)?.remove(&resource);
        Ok(())
    }

    fn create_resource(
        &mut self,
        resource: ResourceId,
        args: &ResourceArgs,
    ) -> Result<(), RenderError> {
        let call = Call::CreateResource {
            resource,
            args: *args,
        };
        let mut state = self.journal.begin(call)?;
        if resource.0 == 0 || state.textures.contains_key(&resource) {
            return Err(RenderError::ResourceIdTaken(resource));
        }
        let texture = Texture::new(resource, args, state.sharing)?;
        state.textures.insert(resource, texture);
        Ok(())
    }

    fn import(
        &mut self,
        resource: ResourceId,
        args: &ResourceArgs,
        picture: &DmaBuf,
    ) -> Result<(), RenderError> {
        let call = Call::Import {
            resource,
            args: *args,
            size: (picture.width, picture.height),
        };
        let mut state = self.journal.begin(call)?;
        if resource.0 == 0 || state.textures.contains_key(&resource) {
            return Err(RenderError::ResourceIdTaken(resource));
        }
        if state.sharing == Sharing::No {
            return Err(RenderError::Impossible("sharing is off"));
        }
        let texture = Texture::import(args, picture)?;
        state.textures.insert(resource, texture);
        Ok(())
    }

    fn share(&mut self, resource: ResourceId) -> Result<DmaBuf, RenderError> {
        let mut state = self.journal.begin(Call::Share { resource })?;
        state.texture(resource)?.share()
    }

    fn destroy_resource(&mut self, resource: ResourceId) -> Result<(), RenderError> {
        let mut state = self.journal.begin(Call::DestroyResource { resource })?;
        state.texture(resource)?;
        state.textures.remove(&resource);
        for attached in state.contexts.values_mut() {
            attached.remove(&resource);
        }
        Ok(())
    }

    fn attach_backing(
        &mut self,
        resource: ResourceId,
        backing: ScatterList,
    ) -> Result<(), RenderError> {
        let bytes = backing.total();
        let call = Call::AttachBacking { resource, bytes };
        let mut state = self.journal.begin(call)?;
        let texture = state.texture(resource)?;
        if texture.backing.is_some() || !backing.is_mapped() {
            return Err(RenderError::Backing(resource));
        }
        texture.backing = Some(backing);
        Ok(())
    }

    fn detach_backing(&mut self, resource: ResourceId) -> Result<(), RenderError> {
        let mut state = self.journal.begin(Call::DetachBacking { resource })?;
        state.texture(resource)?.backing = None;
        Ok(())
    }

    fn revoke(&mut self) {
        if let Ok(mut state) = self.journal.begin(Call::Revoke) {
            for texture in state.textures.values_mut() {
                texture.backing = None;
            }
        }
    }

    fn reset(&mut self) {
        if let Ok(mut state) = self.journal.begin(Call::Reset) {
            state.clear();
        }
    }

    fn transfer(&mut self, transfer: &Transfer) -> Result<(), RenderError> {
        let mut state = self.journal.begin(Call::Transfer(*transfer))?;
        let texture = match transfer.context {
            Some(context) => state.attached(context, transfer.resource)?,
            None => state.texture(transfer.resource)?,
        };
        texture.transfer(transfer)
    }

    fn upload(&mut self, upload: &Upload) -> Result<(), RenderError> {
        let resource = upload.resource;
        let mut state = self.journal.begin(Call::Upload { resource })?;
        state.texture(resource)?.upload(&upload.pixels)
    }

    fn read_back(&mut self, read: &ReadBack) -> Result<(), RenderError> {
        let ReadBack { resource, x, y, .. } = *read;
        let rects = read.rects.clone();
        let call = Call::ReadBack {
            resource,
            x,
            y,
            rects,
        };
        let mut state = self.journal.begin(call)?;
        let texture = state.texture(resource)?;
        for &rect in &read.rects {
            texture.read_back(x, y, rect, &read.target)?;
        }
        Ok(())
    }

    fn submit(&mut self, context: ContextId, commands: &mut [u32]) -> Result<(), RenderError> {
        let call = Call::Submit {
            context,
            commands: commands.to_vec(),
        };
        self.journal.begin(call)?.context(context)?;
        let mut rest: &[u32] = commands;
        while let Some((order, after)) = Order::next(rest)? {
            if let Order::Fill { resource, colour } = order {
                let mut state = self.journal.lock();
                state.attached(context, resource)?.fill(colour)?;
            }
            order.perform()?;
            rest = after;
        }
        Ok(())
    }

    fn create_fence(&mut self, timeline: Timeline, fence: FenceId) -> Result<(), RenderError> {
        let call = Call::CreateFence { timeline, fence };
        let mut state = self.journal.begin(call)?;
        if let Timeline::Context { context, ring } = timeline {
            state.context(context)?;
            if ring > 63 {
                return Err(RenderError::Impossible("a ring above 63"));
            }
        }
        state.fences.create(timeline, fence)
    }

    fn export_fence(&mut self, fence: Option<FenceId>) -> Result<OwnedFd, RenderError> {
        let mut state = self.journal.begin(Call::ExportFence { fence })?;
        if state.sharing == Sharing::No {
            return Err(RenderError::Impossible("sharing is off"));
        }
        state.fences.export(fence)
    }

    fn poll(&mut self, passed: &mut Vec<PassedFence>) {
        let mut state = self.journal.lock();
        state.note_thread();
        state.polls = state.polls.saturating_add(1);
        state.fences.poll(passed);
    }
}
