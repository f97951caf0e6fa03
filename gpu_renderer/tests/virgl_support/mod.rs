//! A real renderer on software GL for tests, one at a time.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gpu_buffer::{
    Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Layout, Rect, ScatterList,
};
use gpu_renderer::testing::stream::{Stream, bind, format};
use gpu_renderer::virgl::{VirglConfig, VirglRenderer};
use gpu_renderer::{
    Box3, ContextArgs, ContextId, Direction, FenceId, PassedFence, ReadBack, RenderError, Renderer,
    ResourceArgs, ResourceId, Timeline, Transfer,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// The library allows one renderer at a time; tests run side by side.
static ONE: Mutex<()> = Mutex::new(());

/// Keeps other tests from having a renderer.
pub fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A renderer, or a line that says why there is none.
pub fn start() -> Option<VirglRenderer> {
    start_as(VirglConfig::default())
}

pub fn start_as(config: VirglConfig) -> Option<VirglRenderer> {
    match VirglRenderer::new(config) {
        Ok(renderer) => Some(renderer),
        Err(error @ RenderError::Unavailable { .. }) => {
            println!("SKIP: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs a test with a renderer, if there can be one.
pub fn with_renderer(test: impl FnOnce(&mut VirglRenderer)) {
    let _one = alone();
    if let Some(mut renderer) = start() {
        test(&mut renderer);
    }
}

/// Guest memory at address 0.
pub fn guest_memory(bytes: usize) -> GuestMemoryMmap {
    GuestMemoryMmap::from_ranges(&[(GuestAddress(0), bytes)]).expect("memory")
}

/// A backing of these ranges.
pub fn backing(memory: &GuestMemoryMmap, ranges: &[(u64, u32)]) -> ScatterList {
    ScatterList::resolve(memory, ranges.iter().copied()).expect("ranges in memory")
}

pub fn read_guest(memory: &GuestMemoryMmap, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    memory
        .read_slice(&mut bytes, GuestAddress(address))
        .expect("memory");
    bytes
}

pub fn write_guest(memory: &GuestMemoryMmap, address: u64, bytes: &[u8]) {
    memory
        .write_slice(bytes, GuestAddress(address))
        .expect("memory");
}

/// A picture that can be drawn into and sampled.
pub fn picture(width: u32, height: u32) -> ResourceArgs {
    ResourceArgs {
        target: 2,
        format: format::B8G8R8A8_UNORM,
        bind: bind::RENDER_TARGET | bind::SAMPLER_VIEW,
        width,
        height,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: 0,
    }
}

/// A buffer of bytes.
pub fn bytes(width: u32, bind: u32) -> ResourceArgs {
    ResourceArgs {
        target: 0,
        format: format::R8_UNORM,
        bind,
        height: 1,
        ..picture(width, 1)
    }
}

/// Makes a context.
pub fn context(renderer: &mut VirglRenderer, id: u32) -> ContextId {
    let context = ContextId(id);
    renderer
        .create_context(context, &ContextArgs::default())
        .expect("context");
    context
}

/// Makes a resource that a context may use.
pub fn resource(
    renderer: &mut VirglRenderer,
    context: ContextId,
    id: u32,
    args: &ResourceArgs,
) -> ResourceId {
    let resource = ResourceId(id);
    renderer.create_resource(resource, args).expect("resource");
    renderer
        .attach_resource(context, resource)
        .expect("attached");
    resource
}

/// A buffer for four bytes a pixel, filled with one byte.
pub fn buffer(width: u32, height: u32, fill: u8) -> Arc<Buffer> {
    let layout = Layout::packed(width, height, DrmFourcc::Argb8888).expect("layout");
    let buffer = AnonymousAllocator
        .allocate(&BufferRequest { layout })
        .expect("buffer");
    let bytes = vec![fill; layout.size() as usize];
    buffer.memory().copy_from(&bytes);
    Arc::new(buffer)
}

/// The bytes of a buffer.
pub fn contents(buffer: &Buffer) -> Vec<u8> {
    let mut bytes = vec![0u8; buffer.memory().len()];
    buffer.memory().copy_to(&mut bytes);
    bytes
}

/// All pixels of a picture, as blue, green, red, alpha.
pub fn pixels(
    renderer: &mut VirglRenderer,
    resource: ResourceId,
    width: u32,
    height: u32,
) -> Vec<[u8; 4]> {
    let target = buffer(width, height, 0xee);
    renderer
        .read_back(&ReadBack {
            resource,
            x: 0,
            y: 0,
            rects: vec![Rect::from_size(width, height)],
            target: Arc::clone(&target),
        })
        .expect("read back");
    contents(&target)
        .chunks_exact(4)
        .map(|pixel| [pixel[0], pixel[1], pixel[2], pixel[3]])
        .collect()
}

/// Waits for a fence; all that was reported until then.
pub fn wait_for(
    renderer: &mut VirglRenderer,
    timeline: Timeline,
    fence: FenceId,
) -> Vec<PassedFence> {
    let mut passed = Vec::new();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !passed.contains(&PassedFence { timeline, fence }) {
        assert!(std::time::Instant::now() < end, "{fence:?} never passes");
        renderer.poll(&mut passed);
    }
    passed
}

/// Waits until a sync file says that its fence has passed, as poll does.
pub fn wait_for_file(fence: &OwnedFd) {
    let mut fds = [PollFd::new(fence.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut fds, PollTimeout::from(10_000_u16)).expect("poll");
    assert_eq!(ready, 1, "the fence never passes");
}

/// The bytes 1, 2, 3 and so on, over and over.
pub fn numbered(length: usize) -> Vec<u8> {
    (1..=u8::MAX).cycle().take(length).collect()
}

/// Fills a picture with green.
pub fn clear(renderer: &mut VirglRenderer, context: ContextId, resource: ResourceId) {
    let mut stream = Stream::new();
    stream
        .surface(1, resource.0, format::B8G8R8A8_UNORM)
        .framebuffer(&[1])
        .clear([0.0, 1.0, 0.0, 1.0]);
    renderer
        .submit(context, &mut stream.into_words())
        .expect("submit");
}

/// Draws, to see that the renderer still works.
pub fn still_works(renderer: &mut VirglRenderer) {
    let context = context(renderer, 1_000_000);
    let picture = resource(renderer, context, 1_000_000, &picture(4, 4));
    clear(renderer, context, picture);
    assert_eq!(pixels(renderer, picture, 4, 4), [[0, 255, 0, 255]; 16]);
    renderer.destroy_resource(picture).expect("destroyed");
    renderer.destroy_context(context).expect("destroyed");
}

/// A read of the first texels of the first row.
pub fn row(resource: ResourceId, width: u32) -> Transfer {
    Transfer {
        direction: Direction::FromHost,
        context: None,
        resource,
        level: 0,
        stride: 0,
        layer_stride: 0,
        region: Box3 {
            width,
            height: 1,
            depth: 1,
            ..Box3::default()
        },
        offset: 0,
    }
}
