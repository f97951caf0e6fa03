//! The device: features, configuration space, queues and reset around the
//! state tracker.

mod answer;
mod bridge;
mod embed;
mod queues;
mod rendering;
mod turn;

use std::sync::Arc;
use std::time::Instant;

use gpu_buffer::Allocator;
use gpu_display::Display;
use gpu_renderer::RenderQueue;
use vm_memory::GuestMemoryMmap;

use crate::backend::{Backend, Left};
use crate::error::DeviceError;
use crate::fence::Waiting;
use crate::limits::Limits;
use crate::protocol::wire::EVENT_DISPLAY;
use crate::protocol::{ConfigSpace, Features, QueueKind};
use crate::queue::VirtQueue;
use crate::throttle::Throttle;
use answer::Answer;
pub use embed::{Activation, DeviceBuilder, GuestBlobs, Interrupts, Wakeup, Watch};
pub use turn::{Progress, Quiescing, StoppedQueue, Turn};

/// Length of a response header: the shortest answer there is.
const HEADER_BYTES: u64 = 24;

/// Length of the answer to GET_EDID.
const EDID_ANSWER_BYTES: u64 = 1056;

/// What the embedding program decides about the device.
#[derive(Debug, Clone)]
pub struct DeviceConfig {
    /// Number of scanouts, 1 to 16, fixed for the device's life: Linux reads
    /// it once. Where the display has fewer outputs at the start the guest is
    /// told of no more than those.
    pub scanouts: u32,
    /// Caps on what the guest can make the host hold.
    pub limits: Limits,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            scanouts: 1,
            limits: Limits::default(),
        }
    }
}

/// One of the device's two queues, VIRTIO 1.4 §5.7.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueIndex {
    /// Queue 0: commands.
    Control,
    /// Queue 1: cursor updates, answered sooner.
    Cursor,
}

impl QueueIndex {
    /// The queue with a virtio queue index.
    pub fn from_index(index: u16) -> Option<Self> {
        match index {
            0 => Some(Self::Control),
            1 => Some(Self::Cursor),
            _ => None,
        }
    }

    fn kind(self) -> QueueKind {
        match self {
            Self::Control => QueueKind::Control,
            Self::Cursor => QueueKind::Cursor,
        }
    }
}

#[derive(Debug, Default)]
struct Queues {
    control: Option<VirtQueue>,
    cursor: Option<VirtQueue>,
    is_control_suspended: bool,
    is_cursor_suspended: bool,
}

impl Queues {
    fn slot(&mut self, index: QueueIndex) -> &mut Option<VirtQueue> {
        match index {
            QueueIndex::Control => &mut self.control,
            QueueIndex::Cursor => &mut self.cursor,
        }
    }

    fn is_suspended(&mut self, index: QueueIndex) -> &mut bool {
        match index {
            QueueIndex::Control => &mut self.is_control_suspended,
            QueueIndex::Cursor => &mut self.is_cursor_suspended,
        }
    }
}

/// A virtio-gpu device that shows its scanouts on a `D`.
///
/// It has no thread of its own and never waits: the embedding program calls
/// it when a queue is kicked, when the display's fd or deadline is due, and
/// raises the interrupts that the returned [`Turn`] names.
#[derive(Debug)]
pub struct Device<D> {
    backend: Backend<D>,
    features: Features,
    config: ConfigSpace,
    memory: Option<Arc<GuestMemoryMmap>>,
    queues: Queues,
    waiting: Waiting<Answer>,
    /// The highest id of a fence that the driver has asked for.
    newest_fence: Option<u64>,
    throttle: Throttle,
    /// Bytes of the longest answer that the device gives.
    longest_answer: u64,
    /// When [`Device::quiesce`] began. Until it ends no request is taken from
    /// the control queue.
    quiescing: Option<Instant>,
    /// Since when requests may be left in the control queue for the renderer's
    /// sake.
    held: Option<Instant>,
    /// Scratch for the bytes of a request.
    request: Vec<u8>,
}

impl<D: Display> Device<D> {
    /// A 2D device after power-on: no feature negotiated, no queue running.
    ///
    /// # Errors
    /// [`DeviceError::ScanoutCount`].
    pub fn new(config: DeviceConfig, display: D) -> Result<Self, DeviceError> {
        Self::build(config, display, None)
    }

    /// A device that renders for its guest, after power-on.
    ///
    /// # Errors
    /// [`DeviceError::ScanoutCount`].
    pub fn with_renderer(
        config: DeviceConfig,
        display: D,
        renderer: RenderQueue,
    ) -> Result<Self, DeviceError> {
        Self::build(config, display, Some(renderer))
    }

    fn build(
        config: DeviceConfig,
        display: D,
        renderer: Option<RenderQueue>,
    ) -> Result<Self, DeviceError> {
        let DeviceConfig { scanouts, limits } = config;
        if !(1..=16).contains(&scanouts) {
            return Err(DeviceError::ScanoutCount(scanouts));
        }
        let backend = Backend::new(display, renderer, scanouts, limits);
        let capsets = backend.capsets();
        let longest_capset = (0..)
            .map_while(|index| capsets.by_index(index))
            .map(|capset| u64::from(capset.max_size()))
            .max();
        let outputs = u32::try_from(backend.display().outputs().len());
        let config = ConfigSpace {
            num_scanouts: scanouts.min(outputs.unwrap_or(u32::MAX).max(1)),
            num_capsets: u32::try_from(capsets.len()).unwrap_or(u32::MAX),
            ..ConfigSpace::default()
        };
        Ok(Self {
            backend,
            features: Features::empty(),
            config,
            memory: None,
            queues: Queues::default(),
            waiting: Waiting::default(),
            newest_fence: None,
            throttle: Throttle::default(),
            longest_answer: HEADER_BYTES
                .saturating_add(longest_capset.unwrap_or(0))
                .max(EDID_ANSWER_BYTES),
            quiescing: None,
            held: None,
            request: Vec::new(),
        })
    }

    /// Has resources that will be scanned out made of images of this
    /// allocator, as `gpu_buffer`'s of a GPU's driver, which a
    /// display shows without a copy and the renderer imports. Without one, and
    /// where the allocator or the renderer refuses, the renderer allocates them.
    pub fn set_scanout_allocator(&mut self, allocator: Box<dyn Allocator + Send>) {
        self.backend.set_scanout_allocator(allocator);
    }

    /// The features offered, as the bits of VIRTIO 1.4 §6 and §5.7.3.
    pub fn features(&self) -> u64 {
        self.offered().bits()
    }

    /// 2D with EDIDs and UUIDs over split rings, and 3D where there is a
    /// renderer.
    fn offered(&self) -> Features {
        let plain = Features::EDID
            | Features::RESOURCE_UUID
            | Features::NOTIFY_ON_EMPTY
            | Features::INDIRECT_DESC
            | Features::EVENT_IDX
            | Features::VERSION_1
            | Features::RING_RESET;
        match self.backend.renderer() {
            Some(_) => plain | Features::VIRGL | Features::CONTEXT_INIT,
            None if self.backend.has_guest_blobs() => plain | Features::RESOURCE_BLOB,
            None => plain,
        }
    }

    /// Takes in what the driver acknowledged.
    ///
    /// # Errors
    /// [`DeviceError::UnofferedFeatures`]; then nothing changed.
    pub fn acknowledge_features(&mut self, features: u64) -> Result<(), DeviceError> {
        let offered = self.offered();
        match Features::from_bits(features).filter(|bits| offered.contains(*bits)) {
            Some(bits) => {
                self.features = bits;
                Ok(())
            }
            None => Err(DeviceError::UnofferedFeatures {
                acknowledged: features,
                offered: offered.bits(),
            }),
        }
    }

    /// Reads configuration space, VIRTIO 1.4 §5.7.4; zeros beyond its end.
    pub fn read_config(&self, offset: u64, data: &mut [u8]) {
        self.config.read(offset, data);
    }

    /// Writes configuration space: only `events_clear` takes effect.
    pub fn write_config(&mut self, offset: u64, data: &[u8]) {
        self.config.write(offset, data);
    }

    /// Gives the device the guest's memory, or a new map of it. On return no
    /// memory that is not in the new map is read or written any more, if a
    /// device with a renderer was brought to rest before ([`Device::quiesce`]).
    pub fn set_memory(&mut self, memory: Arc<GuestMemoryMmap>) {
        self.backend.memory_changed(&memory);
        self.memory = Some(memory);
    }

    /// Lets the display work: when its fd is ready or its deadline due.
    pub fn dispatch_display(&mut self, now: Instant) -> Turn {
        let news = self.backend.dispatch_display(now);
        let left = self.settle();
        let mut released = Vec::new();
        self.collect_finished(&mut released);
        let mut turn = self.publish(released);
        turn.more = left == Left::More;
        if news.outputs_changed {
            self.config.events_read |= EVENT_DISPLAY;
            turn.notify_config = true;
        }
        turn.close_requested = news.close_requested;
        turn
    }

    /// The display.
    pub fn display(&self) -> &D {
        self.backend.display()
    }

    /// The display.
    pub fn display_mut(&mut self) -> &mut D {
        self.backend.display_mut()
    }

    /// The state tracker, for statistics and tests.
    pub fn backend(&self) -> &Backend<D> {
        &self.backend
    }

    /// Whether the driver broke a queue's ring, which then takes no requests
    /// until it is set up again (`DEVICE_NEEDS_RESET`).
    pub fn queue_failed(&self, index: QueueIndex) -> bool {
        match index {
            QueueIndex::Control => &self.queues.control,
            QueueIndex::Cursor => &self.queues.cursor,
        }
        .as_ref()
        .is_some_and(VirtQueue::is_broken)
    }

    /// Number of requests taken and not answered yet.
    pub fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    /// Device reset, VIRTIO 1.4 §2.4: queues stop, unfinished requests are
    /// dropped without an answer, every resource and surface goes, nothing is
    /// negotiated any more. Memory and display stay.
    pub fn reset(&mut self) {
        self.abandon_all();
        self.queues = Queues::default();
        self.backend.reset();
        self.features = Features::empty();
        self.newest_fence = None;
        self.config.events_read = 0;
        self.quiescing = None;
        self.held = None;
    }
}

impl<D> Device<D> {
    /// Lets go of every request that was not answered.
    fn abandon_all(&mut self) {
        let mut released = Vec::new();
        let taken = self.waiting.take_matching(|_| true, &mut released);
        released.extend(taken.into_iter().map(|taken| taken.item));
        for answer in released {
            answer.chain.abandon();
        }
    }
}

/// With the device goes whoever would answer, and whoever would listen.
impl<D> Drop for Device<D> {
    fn drop(&mut self) {
        self.abandon_all();
    }
}
