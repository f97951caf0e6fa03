//! The device: features, configuration space, queues and reset around the
//! state tracker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_display::Display;
use gpu_renderer::Capsets;
use vm_memory::GuestMemoryMmap;

use crate::backend::{Backend, Left, Outcome};
use crate::error::{CommandError, DeviceError, chain_of};
use crate::fence::{Taken, Timeline, Waiting};
use crate::limits::Limits;
use crate::protocol::wire::EVENT_DISPLAY;
use crate::protocol::{
    ConfigSpace, ErrorCode, Features, QueueKind, RequestHeader, Success, decode, encode,
};
use crate::queue::{Chain, ChainLimits, Popped, QueueSetup, VirtQueue};
use crate::throttle::Throttle;

/// Length of a response header: the shortest answer there is.
const HEADER_BYTES: u64 = 24;

/// Length of the answer to GET_EDID.
const EDID_ANSWER_BYTES: u64 = 1056;

/// What the embedding program decides about the device.
#[derive(Debug, Clone)]
pub struct DeviceConfig {
    /// Number of scanouts, 1 to 16, fixed for the device's life: Linux reads
    /// it once.
    pub scanouts: u32,
    /// Caps on what the guest can make the host hold.
    pub limits: Limits,
    /// What the renderer offers; empty without one.
    pub capsets: Capsets,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            scanouts: 1,
            limits: Limits::default(),
            capsets: Capsets::default(),
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

/// What a turn of work left for its caller to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "the guest waits for its interrupt"]
pub struct Turn {
    /// Raise the control queue's interrupt.
    pub notify_control: bool,
    /// Raise the cursor queue's interrupt.
    pub notify_cursor: bool,
    /// Raise the configuration interrupt: `events_read` changed.
    pub notify_config: bool,
    /// The turn's budget ran out with requests, rows of a transfer or pixels
    /// to present left: call again after the other queue and the display had
    /// their turn.
    pub more: bool,
    /// The display's user wants the window closed.
    pub close_requested: bool,
}

impl Turn {
    /// Whether a queue's interrupt is to be raised.
    pub fn notify(&self, index: QueueIndex) -> bool {
        match index {
            QueueIndex::Control => self.notify_control,
            QueueIndex::Cursor => self.notify_cursor,
        }
    }

    /// Both turns' work together.
    pub fn merge(self, other: Self) -> Self {
        Self {
            notify_control: self.notify_control || other.notify_control,
            notify_cursor: self.notify_cursor || other.notify_cursor,
            notify_config: self.notify_config || other.notify_config,
            more: self.more || other.more,
            close_requested: self.close_requested || other.close_requested,
        }
    }
}

/// What [`Device::stop_queue`] leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the guest waits for its interrupt"]
pub struct StoppedQueue {
    /// Index of the available entry at which the queue goes on if it is
    /// started again.
    pub next_avail: u16,
    /// Interrupts to raise for what was answered.
    pub turn: Turn,
}

/// An answer on its way to the driver.
#[derive(Debug)]
struct Answer {
    queue: QueueIndex,
    chain: Chain,
    /// What the answer has to echo; `None` if the request had no header.
    header: Option<RequestHeader>,
    bytes: Vec<u8>,
}

impl Answer {
    /// A chain that goes back as it came.
    fn none(queue: QueueIndex, chain: Chain) -> Self {
        Self {
            queue,
            chain,
            header: None,
            bytes: Vec::new(),
        }
    }

    /// Fills the bytes in. What does not fit becomes the error
    /// `INVALID_PARAMETER` in a bare header, never a cut answer.
    fn encode(&mut self, outcome: Result<&Success, ErrorCode>) {
        let echo = self.header.as_ref();
        encode(outcome, echo, &mut self.bytes);
        let length = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        if length > self.chain.room() {
            encode(Err(ErrorCode::InvalidParameter), echo, &mut self.bytes);
        }
    }
}

#[derive(Debug, Default)]
struct Queues {
    control: Option<VirtQueue>,
    cursor: Option<VirtQueue>,
}

impl Queues {
    fn slot(&mut self, index: QueueIndex) -> &mut Option<VirtQueue> {
        match index {
            QueueIndex::Control => &mut self.control,
            QueueIndex::Cursor => &mut self.cursor,
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
    throttle: Throttle,
    /// Bytes of the longest answer that the device gives.
    longest_answer: u64,
    /// Scratch for the bytes of a request.
    request: Vec<u8>,
}

impl<D: Display> Device<D> {
    /// A device after power-on: no feature negotiated, no queue running.
    ///
    /// # Errors
    /// [`DeviceError::ScanoutCount`].
    pub fn new(config: DeviceConfig, display: D) -> Result<Self, DeviceError> {
        let DeviceConfig {
            scanouts,
            limits,
            capsets,
        } = config;
        if !(1..=16).contains(&scanouts) {
            return Err(DeviceError::ScanoutCount(scanouts));
        }
        let longest_capset = (0..)
            .map_while(|index| capsets.by_index(index))
            .map(|capset| u64::from(capset.max_size()))
            .max();
        let config = ConfigSpace {
            num_scanouts: scanouts,
            num_capsets: u32::try_from(capsets.len()).unwrap_or(u32::MAX),
            ..ConfigSpace::default()
        };
        Ok(Self {
            backend: Backend::new(display, capsets, scanouts, limits),
            features: Features::empty(),
            config,
            memory: None,
            queues: Queues::default(),
            waiting: Waiting::default(),
            throttle: Throttle::default(),
            longest_answer: HEADER_BYTES
                .saturating_add(longest_capset.unwrap_or(0))
                .max(EDID_ANSWER_BYTES),
            request: Vec::new(),
        })
    }

    /// The features offered, as the bits of VIRTIO 1.4 §6 and §5.7.3.
    pub fn features(&self) -> u64 {
        offered().bits()
    }

    /// Takes in what the driver acknowledged.
    ///
    /// # Errors
    /// [`DeviceError::UnofferedFeatures`]; then nothing changed.
    pub fn acknowledge_features(&mut self, features: u64) -> Result<(), DeviceError> {
        let offered = offered();
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
    /// memory that is not in the new map is read or written any more.
    pub fn set_memory(&mut self, memory: Arc<GuestMemoryMmap>) {
        self.backend.memory_changed(&memory);
        self.memory = Some(memory);
    }

    /// Starts a queue where the driver set it up. One that is running is
    /// stopped first.
    ///
    /// # Errors
    /// [`DeviceError::NoMemory`], [`DeviceError::InvalidQueue`].
    pub fn start_queue(
        &mut self,
        index: QueueIndex,
        setup: &QueueSetup,
    ) -> Result<Turn, DeviceError> {
        let memory = self.memory.clone().ok_or(DeviceError::NoMemory)?;
        let mut started = VirtQueue::start(setup, self.features, &memory)?;
        let turn = self
            .stop_queue(index)
            .map_or_else(Turn::default, |stopped| stopped.turn);
        started.catch_up(&memory);
        *self.queues.slot(index) = Some(started);
        Ok(turn)
    }

    /// Stops a queue: every request popped from it is answered. A transfer is
    /// carried to its end, what the display was asked for is answered with
    /// what is known. `None` if the queue was not running.
    pub fn stop_queue(&mut self, index: QueueIndex) -> Option<StoppedQueue> {
        self.queues.slot(index).as_ref()?;
        let mut released = Vec::new();
        if index == QueueIndex::Control {
            while self.backend.is_transferring() {
                self.backend.carry_transfer_on();
            }
            self.collect_finished(&mut released);
        }
        let taken = self
            .waiting
            .take_matching(|answer| answer.queue == index, &mut released);
        for Taken { running, mut item } in taken {
            if let Some(ticket) = running {
                let known = self.backend.conclude(ticket);
                item.encode(known.as_ref().ok_or(CommandError::Stopped.code()));
            }
            released.push(item);
        }
        let turn = self.publish(released);
        self.queues.slot(index).take().map(|queue| StoppedQueue {
            next_avail: queue.next_avail(),
            turn,
        })
    }

    /// Works through a queue's requests after a kick, for a bounded time.
    pub fn process_queue(&mut self, index: QueueIndex, now: Instant) -> Turn {
        let Some(memory) = self.memory.clone() else {
            return Turn::default();
        };
        let Some(mut queue) = self.queues.slot(index).take() else {
            return Turn::default();
        };
        let mut turn = Turn::default();
        let mut released = Vec::new();
        let limits = self.backend.limits();
        let commands = limits.turn_commands;
        let chain_limits = ChainLimits {
            request: limits.request_bytes,
            answer: self.longest_answer,
        };
        let end = now.checked_add(Duration::from_micros(limits.turn_micros));
        let mut handled = 0_u32;
        queue.disable_kicks(&memory);
        loop {
            let late = end.is_some_and(|end| Instant::now() >= end);
            if handled > 0 && (handled >= commands || late) {
                turn.more = true;
                break;
            }
            if index == QueueIndex::Control && self.backend.is_transferring() {
                self.backend.carry_transfer_on();
                self.collect_finished(&mut released);
                handled = handled.saturating_add(1);
                continue;
            }
            match queue.pop(&memory, &mut self.request, chain_limits) {
                Popped::Request(chain) => self.handle(index, chain, &memory, &mut released),
                Popped::Unreadable(chain) => released.push(unreadable(index, chain)),
                Popped::Malformed(chain) => released.push(Answer::none(index, chain)),
                Popped::Empty if queue.enable_kicks(&memory) => continue,
                Popped::Empty => break,
                Popped::Broken => {
                    if self.throttle.allows("broken queue", now) {
                        log::error!("{index:?} queue: broken by the driver, it stops here");
                    }
                    break;
                }
            }
            handled = handled.saturating_add(1);
        }
        *self.queues.slot(index) = Some(queue);
        turn.more |= self.backend.present() == Left::More;
        self.collect_finished(&mut released);
        turn.merge(self.publish(released))
    }

    /// Lets the display work: when its fd is ready or its deadline due.
    pub fn dispatch_display(&mut self, now: Instant) -> Turn {
        let news = self.backend.dispatch_display(now);
        let left = self.backend.present();
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

    /// When [`Device::dispatch_display`] is to be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.backend.display().deadline()
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
        self.config.events_read = 0;
    }

    fn handle(
        &mut self,
        index: QueueIndex,
        chain: Chain,
        memory: &GuestMemoryMmap,
        released: &mut Vec<Answer>,
    ) {
        let mut answer = Answer::none(index, chain);
        // Linux sends cursor commands without room for an answer; on the
        // control queue an answer that cannot be given means that the command
        // is not carried out.
        if index == QueueIndex::Control && answer.chain.room() < HEADER_BYTES {
            released.push(answer);
            return;
        }
        let request = match decode(&self.request) {
            Ok(request) => request,
            Err(rejected) => {
                if self.throttle.allows("malformed request", Instant::now()) {
                    log::warn!("{index:?} queue: {}", rejected.error);
                }
                answer.header = rejected.header;
                answer.encode(Err(rejected.error.code()));
                let timeline = answer.header.as_ref().and_then(timeline);
                self.waiting.add_done(timeline, answer, released);
                return;
            }
        };
        let timeline = timeline(&request.header);
        answer.header = Some(request.header);
        let outcome = self
            .backend
            .execute(index.kind(), self.features, &request, memory);
        match outcome {
            Outcome::Done(result) => {
                if let Err(error) = &result
                    && self.throttle.allows(request.command.name(), Instant::now())
                {
                    log::warn!("{}: {}", request.command.name(), chain_of(error));
                }
                answer.encode(result.as_ref().map_err(CommandError::code));
                self.waiting.add_done(timeline, answer, released);
            }
            Outcome::Pending(ticket) => self.waiting.add_running(timeline, ticket, answer),
        }
    }

    fn collect_finished(&mut self, released: &mut Vec<Answer>) {
        for (ticket, result) in self.backend.take_finished() {
            self.waiting.finish(
                ticket,
                |answer| answer.encode(result.as_ref().map_err(CommandError::code)),
                released,
            );
        }
    }

    /// Gives answers back to the driver; one interrupt a queue for all.
    fn publish(&mut self, answers: Vec<Answer>) -> Turn {
        let Some(memory) = self.memory.as_deref() else {
            answers
                .into_iter()
                .for_each(|answer| answer.chain.abandon());
            return Turn::default();
        };
        let (mut control, mut cursor) = (false, false);
        for answer in answers {
            match self.queues.slot(answer.queue) {
                Some(queue) => queue.complete(memory, answer.chain, &answer.bytes),
                None => answer.chain.abandon(),
            }
            match answer.queue {
                QueueIndex::Control => control = true,
                QueueIndex::Cursor => cursor = true,
            }
        }
        let always_when_empty = self.features.contains(Features::NOTIFY_ON_EMPTY);
        let mut wanted = |index, completed: bool| {
            completed
                && self.queues.slot(index).as_mut().is_some_and(|queue| {
                    queue.needs_interrupt(memory) || (always_when_empty && queue.in_flight() == 0)
                })
        };
        Turn {
            notify_control: wanted(QueueIndex::Control, control),
            notify_cursor: wanted(QueueIndex::Cursor, cursor),
            ..Turn::default()
        }
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

/// The features offered: 2D with EDID over split rings.
fn offered() -> Features {
    Features::EDID
        | Features::NOTIFY_ON_EMPTY
        | Features::INDIRECT_DESC
        | Features::EVENT_IDX
        | Features::VERSION_1
        | Features::RING_RESET
}

/// The line on which a request's answer waits its turn. Per-context timelines
/// come with `VIRTIO_GPU_F_CONTEXT_INIT`, which is not offered, so every fence
/// is a global one and the ring index is not looked at.
fn timeline(header: &RequestHeader) -> Option<Timeline> {
    header.fence().map(|_| Timeline::Global)
}

/// The answer to a request whose bytes cannot be read, and so has nothing to
/// echo.
fn unreadable(queue: QueueIndex, chain: Chain) -> Answer {
    let mut answer = Answer::none(queue, chain);
    answer.encode(Err(ErrorCode::Unspec));
    answer
}
