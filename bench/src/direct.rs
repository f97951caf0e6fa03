//! What rendering costs without a device: virglrenderer, called by this process.
//!
//! The safe layer of `gpu_renderer` is in between, as in a daemon; it takes 0.1 us of a small stream's time.

use std::sync::Arc;

use gpu_buffer::{Allocator, AnonymousAllocator, Buffer, BufferRequest, ScatterList};
use gpu_renderer::virgl::{VirglConfig, VirglRenderer};
use gpu_renderer::{
    ContextArgs, Direction, FenceId, PassedFence, ReadBack, RenderError, Renderer, Timeline,
    Transfer,
};

use crate::guest::{Backing, Guest};
use crate::texture::{CONTEXT, Texture};

/// The renderer of this process; there is one at a time.
pub(crate) struct Direct {
    renderer: VirglRenderer,
    last_fence: u64,
    passed: Vec<PassedFence>,
    commands: Vec<u32>,
}

impl Direct {
    /// Starts it, with a context.
    pub(crate) fn start() -> Result<Self, RenderError> {
        let mut renderer = VirglRenderer::new(VirglConfig::default())?;
        renderer.create_context(CONTEXT, &ContextArgs::default())?;
        Ok(Self {
            renderer,
            last_fence: 0,
            passed: Vec::new(),
            commands: Vec::new(),
        })
    }

    /// Makes a texture and its surface.
    pub(crate) fn create(&mut self, texture: Texture) {
        let resource = texture.resource();
        let renderer = &mut self.renderer;
        renderer
            .create_resource(resource, &texture.arguments())
            .unwrap();
        renderer.attach_resource(CONTEXT, resource).unwrap();
        self.submit(&texture.surface());
    }

    /// Gives a texture the guest's picture as its backing.
    pub(crate) fn attach(&mut self, texture: Texture, guest: &Guest, backing: Backing) {
        let ranges = backing.ranges(texture.size.bytes());
        let list = ScatterList::resolve(&guest.memory, ranges.into_iter()).unwrap();
        let resource = texture.resource();
        self.renderer.attach_backing(resource, list).unwrap();
    }

    /// Destroys a texture.
    pub(crate) fn destroy(&mut self, texture: Texture) {
        let resource = texture.resource();
        self.renderer.destroy_resource(resource).unwrap();
    }

    /// Carries a command stream out.
    pub(crate) fn submit(&mut self, commands: &[u32]) {
        self.commands.clear();
        self.commands.extend_from_slice(commands);
        self.renderer.submit(CONTEXT, &mut self.commands).unwrap();
    }

    /// Marks the end of what was submitted.
    pub(crate) fn fence(&mut self) {
        self.last_fence += 1;
        let fence = FenceId(self.last_fence);
        self.renderer.create_fence(Timeline::Global, fence).unwrap();
    }

    /// Waits for the last fence.
    pub(crate) fn finish(&mut self) {
        loop {
            self.passed.clear();
            self.renderer.poll(&mut self.passed);
            if self
                .passed
                .iter()
                .any(|each| each.fence.0 == self.last_fence)
            {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Copies a whole texture from or to its backing.
    pub(crate) fn transfer(&mut self, texture: Texture, direction: Direction) {
        let transfer = Transfer {
            direction,
            context: Some(CONTEXT),
            resource: texture.resource(),
            level: 0,
            stride: 0,
            layer_stride: 0,
            region: texture.region(),
            offset: 0,
        };
        self.renderer.transfer(&transfer).unwrap();
    }

    /// What reads a whole texture into memory.
    pub(crate) fn reader(texture: Texture) -> ReadBack {
        let layout = texture.layout();
        let target: Buffer = AnonymousAllocator
            .allocate(&BufferRequest { layout })
            .unwrap();
        ReadBack {
            resource: texture.resource(),
            x: 0,
            y: 0,
            rects: vec![layout.bounds()],
            target: Arc::new(target),
        }
    }

    /// Reads a texture.
    pub(crate) fn read(&mut self, read: &ReadBack) {
        self.renderer.read_back(read).unwrap();
    }
}
