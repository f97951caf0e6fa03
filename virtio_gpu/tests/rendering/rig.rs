//! A device that renders, its driver, and the journal of its renderer.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use gpu_renderer::testing::{Call, Journal, Order, Recording};
use gpu_renderer::{RenderQueue, ResourceId as RendererResource};
use virtio_gpu::protocol::{
    Box3, Command, ContextId, ErrorCode, HeaderFlags, QueueKind, ResourceCreate3d, ResourceId,
    Success, Transfer3d,
};
use virtio_gpu::testing::{Answer, Sent, guest_memory, header};
use virtio_gpu::{Device, DeviceConfig, Limits, QueueIndex};

use crate::support::recorder::DmaBufs;
use crate::support::{FEATURES, MEMORY, PATIENCE, Recorder, Rect, Rig};

/// `VIRTIO_GPU_F_VIRGL` and `VIRTIO_GPU_F_CONTEXT_INIT`.
pub const FEATURES_3D: u64 = 1 << 0 | 1 << 4;

pub const CONTROL: QueueIndex = QueueIndex::Control;

pub const UNSPEC: Result<Success, ErrorCode> = Err(ErrorCode::Unspec);
pub const OUT_OF_MEMORY: Result<Success, ErrorCode> = Err(ErrorCode::OutOfMemory);
pub const BAD_RESOURCE: Result<Success, ErrorCode> = Err(ErrorCode::InvalidResourceId);
pub const BAD_CONTEXT: Result<Success, ErrorCode> = Err(ErrorCode::InvalidContextId);
pub const BAD_PARAMETER: Result<Success, ErrorCode> = Err(ErrorCode::InvalidParameter);

/// Long enough for what should not happen to happen all the same.
pub const A_WHILE: Duration = Duration::from_millis(30);

/// Where the renderer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    Inline,
    Thread,
}

/// The fence of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    None,
    Global(u64),
    /// On a ring of the request's context.
    Ring(u8, u64),
}

pub struct Rig3d {
    rig: Rig,
    pub journal: Journal,
}

impl Deref for Rig3d {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        &self.rig
    }
}

impl DerefMut for Rig3d {
    fn deref_mut(&mut self) -> &mut Rig {
        &mut self.rig
    }
}

impl Rig3d {
    pub fn new(placement: Placement) -> Self {
        Self::with(placement, 1, Limits::default())
    }

    pub fn with(placement: Placement, scanouts: u32, limits: Limits) -> Self {
        Self::around(Recording::new(), placement, scanouts, limits)
    }

    /// A device whose renderer shares textures, with a display that takes them.
    pub fn sharing(placement: Placement, scanouts: u32) -> Self {
        Self::sharing_with(placement, scanouts, Limits::default())
    }

    pub fn sharing_with(placement: Placement, scanouts: u32, limits: Limits) -> Self {
        let recording = Recording::sharing();
        let mut rig = Self::around(recording, placement, scanouts, limits);
        rig.device.display_mut().dma_bufs = DmaBufs::Taken;
        rig
    }

    fn around(
        (recording, journal): (Recording, Journal),
        placement: Placement,
        scanouts: u32,
        limits: Limits,
    ) -> Self {
        let queue = match placement {
            Placement::Inline => RenderQueue::inline(Box::new(recording)),
            Placement::Thread => RenderQueue::thread(|| Ok(recording))
                .unwrap()
                .wait(PATIENCE)
                .unwrap(),
        };
        let config = DeviceConfig { scanouts, limits };
        let device = Device::with_renderer(config, Recorder::new(scanouts), queue).unwrap();
        let mut made = Self {
            rig: Rig::around(device, guest_memory(MEMORY), FEATURES | FEATURES_3D),
            journal,
        };
        made.rest();
        made.journal.take_calls();
        made
    }

    /// One with a renderer in the same thread, one with a thread for it.
    pub fn each() -> [Self; 2] {
        Self::each_with(1, &Limits::default())
    }

    pub fn each_with(scanouts: u32, limits: &Limits) -> [Self; 2] {
        [Placement::Inline, Placement::Thread]
            .map(|placement| Self::with(placement, scanouts, limits.clone()))
    }

    /// Makes a request available.
    pub fn send_in(&mut self, context: u32, command: &Command<'_>, fence: Fence) -> Sent {
        let queue = match command.queue() {
            QueueKind::Control => CONTROL,
            QueueKind::Cursor => QueueIndex::Cursor,
        };
        let request = request(context, command, fence);
        self.driver.send_bytes(queue, &request, 2048)
    }

    /// Has the device look at the control queue, in as many turns as it wants.
    pub fn tell(&mut self) {
        while self.kick(CONTROL).more {}
    }

    /// Makes a request available, tells the device, and does not wait.
    pub fn begin(&mut self, context: u32, command: &Command<'_>, fence: Fence) -> Sent {
        let sent = self.send_in(context, command, fence);
        self.tell();
        sent
    }

    /// Carries a command out in a context.
    pub fn call_in(&mut self, context: u32, command: &Command<'_>) -> Result<Success, ErrorCode> {
        self.answer_to(context, command, Fence::None).outcome()
    }

    pub fn answer_to(&mut self, context: u32, command: &Command<'_>, fence: Fence) -> Answer {
        let sent = self.begin(context, command, fence);
        let mut answers = self.wait_for_answers(CONTROL);
        assert_eq!(answers.len(), 1, "{command:?} is answered exactly once");
        let answer = answers.remove(0);
        assert_eq!(answer.sent, sent);
        answer
    }

    /// Waits for so many answers, in the order in which they come.
    pub fn wait_for(&mut self, count: usize) -> Vec<Answer> {
        let mut answers = Vec::new();
        while answers.len() < count {
            let more = self.wait_for_answers(CONTROL);
            assert!(!more.is_empty(), "{} of {count} came", answers.len());
            answers.extend(more);
        }
        assert_eq!(answers.len(), count);
        answers
    }

    /// Lets the device work until something holds.
    pub fn work_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
            self.work(Duration::from_millis(1));
        }
    }

    /// Lets the device work until the renderer has nothing to do.
    pub fn rest(&mut self) {
        self.work_until("the renderer to rest", |rig| {
            !rig.device.backend().is_rendering()
        });
    }

    /// Lets the device work for a while.
    pub fn linger(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < A_WHILE {
            self.work(Duration::from_millis(5));
        }
    }

    /// Lets the device work until the renderer has made so many fences.
    pub fn wait_for_fences(&mut self, count: usize) {
        self.work_until("fences", |rig| {
            let calls = rig.journal.calls();
            let made = |call: &&Call| matches!(call, Call::CreateFence { .. });
            calls.iter().filter(made).count() >= count
        });
    }

    /// Answers that are there now.
    pub fn answered(&mut self) -> Vec<Sent> {
        let answers = self.driver.take_answers(CONTROL);
        answers.into_iter().map(|answer| answer.sent).collect()
    }

    pub fn create_context(&mut self, context: u32) -> Result<Success, ErrorCode> {
        self.call_in(context, &ctx_create())
    }

    pub fn destroy_context(&mut self, context: u32) -> Result<Success, ErrorCode> {
        self.call_in(context, &Command::CtxDestroy)
    }

    pub fn attach_to(&mut self, context: u32, id: u32) -> Result<Success, ErrorCode> {
        self.call_in(context, &ctx_attach(id))
    }

    pub fn detach_from(&mut self, context: u32, id: u32) -> Result<Success, ErrorCode> {
        self.call_in(context, &ctx_detach(id))
    }

    /// RESOURCE_CREATE_3D of a picture.
    pub fn create_3d(&mut self, id: u32, width: u32, height: u32) -> Result<Success, ErrorCode> {
        self.call_in(0, &Command::ResourceCreate3d(picture(id, width, height)))
    }

    pub fn submit(&mut self, context: u32, orders: &[Order]) -> Result<Success, ErrorCode> {
        self.call_in(context, &submit(&stream(orders)))
    }

    /// Has the renderer give all texels of a resource a value, by way of a
    /// context that may use it.
    pub fn fill(&mut self, context: u32, id: u32, colour: u32) {
        let resource = RendererResource(id);
        let filled = self.submit(context, &[Order::Fill { resource, colour }]);
        assert_eq!(filled, Ok(Success::NoData));
    }

    /// A picture of the renderer's in this colour, attached to context 1.
    pub fn painted(&mut self, id: u32, width: u32, height: u32, colour: u32) {
        let ok = Ok(Success::NoData);
        if self.journal.contexts().is_empty() {
            assert_eq!(self.create_context(1), ok);
        }
        assert_eq!(self.create_3d(id, width, height), ok);
        assert_eq!(self.attach_to(1, id), ok);
        self.fill(1, id, colour);
    }

    /// The first pixel that the renderer has of a resource.
    pub fn texel(&self, id: u32) -> u32 {
        let pixels = self.journal.pixels(RendererResource(id)).unwrap();
        u32::from_le_bytes(pixels[..4].try_into().unwrap())
    }

    /// The rectangles of each read-back since the last time that calls were
    /// taken.
    pub fn reads(&self) -> Vec<Vec<Rect>> {
        let calls = self.journal.take_calls().into_iter();
        calls
            .filter_map(|call| match call {
                Call::ReadBack { rects, .. } => Some(rects),
                _ => None,
            })
            .collect()
    }
}

/// The bytes of a request.
pub fn request(context: u32, command: &Command<'_>, fence: Fence) -> Vec<u8> {
    let mut head = header(command, None);
    head.context = ContextId(context);
    match fence {
        Fence::None => {}
        Fence::Global(id) => {
            head.flags = HeaderFlags::FENCE;
            head.fence_id = id;
        }
        Fence::Ring(ring, id) => {
            head.flags = HeaderFlags::FENCE | HeaderFlags::INFO_RING_IDX;
            head.fence_id = id;
            head.ring_index = ring;
        }
    }
    command.encode(&head)
}

pub fn ctx_create() -> Command<'static> {
    Command::CtxCreate {
        name: b"test",
        context_init: 0,
    }
}

pub fn ctx_attach(id: u32) -> Command<'static> {
    let resource = ResourceId(id);
    Command::CtxAttachResource { resource }
}

pub fn ctx_detach(id: u32) -> Command<'static> {
    let resource = ResourceId(id);
    Command::CtxDetachResource { resource }
}

pub fn unref(id: u32) -> Command<'static> {
    let resource = ResourceId(id);
    Command::ResourceUnref { resource }
}

pub fn flush(id: u32, rect: Rect) -> Command<'static> {
    let resource = ResourceId(id);
    Command::ResourceFlush { rect, resource }
}

/// A flat texture of the format B8G8R8X8 that can be shown.
pub fn picture(id: u32, width: u32, height: u32) -> ResourceCreate3d {
    ResourceCreate3d {
        resource: ResourceId(id),
        target: 2,
        format: 2,
        bind: 1 << 1 | 1 << 3,
        width,
        height,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: 0,
    }
}

/// A buffer of so many bytes.
pub fn buffer(id: u32, bytes: u32) -> ResourceCreate3d {
    ResourceCreate3d {
        target: 0,
        format: 64,
        bind: 1 << 4,
        ..picture(id, bytes, 1)
    }
}

/// All of a picture, in the renderer's own layout.
pub fn whole(id: u32, width: u32, height: u32) -> Transfer3d {
    Transfer3d {
        region: Box3 {
            x: 0,
            y: 0,
            z: 0,
            width,
            height,
            depth: 1,
        },
        offset: 0,
        resource: ResourceId(id),
        level: 0,
        stride: 0,
        layer_stride: 0,
    }
}

pub fn submit(stream: &[u8]) -> Command<'_> {
    Command::Submit3d { commands: stream }
}

pub fn stream(orders: &[Order]) -> Vec<u8> {
    let words = Order::stream(orders);
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// What keeps the renderer busy for so long.
pub fn sleep(milliseconds: u32) -> Vec<u8> {
    stream(&[Order::Sleep { milliseconds }])
}
