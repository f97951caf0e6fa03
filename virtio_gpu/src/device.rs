//! The device: features, configuration space, queues and reset around the
//! state tracker.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_display::Display;
use gpu_renderer::RenderQueue;
use vm_memory::GuestMemoryMmap;

use crate::backend::{Backend, Left, Outcome, RenderNews};
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

/// Length of a SUBMIT_3D without its stream.
const SUBMIT_HEADER_BYTES: usize = 32;

/// What is kept of the memory for a request's bytes.
const REQUEST_BYTES_KEPT: usize = 1 << 20;

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

/// How far [`Device::quiesce`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the guest waits for its interrupt"]
pub struct Quiescing {
    /// Whether all is quiet.
    pub progress: Progress,
    /// Interrupts to raise for what was answered meanwhile.
    pub turn: Turn,
}

/// Whether something that takes a while is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It is.
    Done,
    /// Not yet: ask again when [`Device::renderer_fd`] is readable or
    /// [`Device::deadline`] is due.
    Pending,
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

/// Whether requests are left in the control queue for the renderer's sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    No,
    Yes,
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
    /// When [`Device::quiesce`] began. Until it ends no request is taken from
    /// the control queue.
    quiescing: Option<Instant>,
    /// The control queue has to wait until the renderer has room.
    held: Held,
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
        let config = ConfigSpace {
            num_scanouts: scanouts,
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
            throttle: Throttle::default(),
            longest_answer: HEADER_BYTES
                .saturating_add(longest_capset.unwrap_or(0))
                .max(EDID_ANSWER_BYTES),
            quiescing: None,
            held: Held::No,
            request: Vec::new(),
        })
    }

    /// The features offered, as the bits of VIRTIO 1.4 §6 and §5.7.3.
    pub fn features(&self) -> u64 {
        self.offered().bits()
    }

    /// 2D with EDID over split rings, and 3D where there is a renderer.
    fn offered(&self) -> Features {
        let plain = Features::EDID
            | Features::NOTIFY_ON_EMPTY
            | Features::INDIRECT_DESC
            | Features::EVENT_IDX
            | Features::VERSION_1
            | Features::RING_RESET;
        match self.backend.renderer() {
            Some(_) => plain | Features::VIRGL | Features::CONTEXT_INIT,
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
    /// what is known, what the renderer has not finished fails: see
    /// [`Device::quiesce`], which waits for it. `None` if the queue was not
    /// running.
    pub fn stop_queue(&mut self, index: QueueIndex) -> Option<StoppedQueue> {
        self.queues.slot(index).as_ref()?;
        let mut released = Vec::new();
        if index == QueueIndex::Control {
            while self.backend.is_transferring() {
                self.backend.carry_transfer_on();
            }
            self.collect_finished(&mut released);
        }
        self.answer_waiting(index, &mut released);
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
        if index == QueueIndex::Control {
            if self.quiescing.is_some() {
                return Turn::default();
            }
            self.backend.grant_memory();
        }
        let Some(mut queue) = self.queues.slot(index).take() else {
            return Turn::default();
        };
        let mut turn = Turn::default();
        let mut released = Vec::new();
        let limits = self.backend.limits();
        let commands = limits.turn_commands;
        let streams = self.features.contains(Features::VIRGL);
        let stream_bytes = if streams { limits.submit_bytes } else { 0 };
        let chain_limits = ChainLimits {
            request: limits
                .request_bytes
                .max(stream_bytes.saturating_add(SUBMIT_HEADER_BYTES)),
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
            if index == QueueIndex::Control && !self.backend.renderer_has_room() {
                self.held = Held::Yes;
                break;
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
        self.request.shrink_to(REQUEST_BYTES_KEPT);
        turn.more |= self.settle() == Left::More;
        self.collect_finished(&mut released);
        turn.merge(self.publish(released))
    }

    /// Presents what changed, what the renderer has finished included.
    fn settle(&mut self) -> Left {
        let left = self.backend.present();
        match self.backend.dispatch_renderer() {
            RenderNews::Nothing => left,
            RenderNews::Some => self.backend.present(),
        }
    }

    /// Takes in what the renderer has finished: when [`Device::renderer_fd`]
    /// is readable or [`Device::deadline`] due.
    pub fn dispatch_renderer(&mut self, now: Instant) -> Turn {
        let left = self.settle();
        let mut released = Vec::new();
        self.collect_finished(&mut released);
        let mut turn = self.publish(released);
        turn.more = left == Left::More;
        if self.held == Held::Yes && self.backend.renderer_has_room() {
            self.held = Held::No;
            turn = turn.merge(self.process_queue(QueueIndex::Control, now));
        }
        turn
    }

    /// Brings the renderer to rest: it ends what it was given, for up to
    /// [`Limits::drain_millis`], and then lets go of the guest's memory. What
    /// it has not finished until then is answered as failed. No request is
    /// taken from the control queue meanwhile.
    ///
    /// To be called, until it is done, before guest memory is taken away, the
    /// control queue is stopped, or the device is reset: only then no code can
    /// touch the memory of the guest or its rings. Afterwards the next
    /// [`Device::process_queue`] gives the renderer its memory back. A renderer
    /// that hangs never comes to rest; how long to wait is the caller's to
    /// say. Without a renderer it is done at once.
    pub fn quiesce(&mut self, now: Instant) -> Quiescing {
        let begun = *self.quiescing.get_or_insert(now);
        let mut turn = self.dispatch_renderer(now);
        if self.drain_end(begun).is_some_and(|end| end <= now) {
            let mut released = Vec::new();
            self.answer_waiting(QueueIndex::Control, &mut released);
            turn = turn.merge(self.publish(released));
            self.backend.revoke_memory();
        } else if !self.backend.is_rendering() {
            self.backend.revoke_memory();
        }
        // Inline it is over at once.
        self.backend.dispatch_renderer();
        let progress = if self.backend.is_revoked() {
            self.quiescing = None;
            Progress::Done
        } else {
            Progress::Pending
        };
        Quiescing { progress, turn }
    }

    fn drain_end(&self, begun: Instant) -> Option<Instant> {
        begun.checked_add(Duration::from_millis(self.backend.limits().drain_millis))
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

    /// When [`Device::dispatch_display`] and [`Device::dispatch_renderer`] are
    /// to be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let renderer = self.backend.renderer().and_then(RenderQueue::deadline);
        let drain = self
            .quiescing
            .filter(|_| self.backend.renderer().is_some())
            .and_then(|begun| self.drain_end(begun))
            .filter(|end| *end > Instant::now());
        let display = self.backend.display().deadline();
        [display, renderer, drain].into_iter().flatten().min()
    }

    /// Readable when the renderer has finished something: then
    /// [`Device::dispatch_renderer`] is to be called. `None` without a renderer
    /// or with one in this thread.
    pub fn renderer_fd(&self) -> Option<BorrowedFd<'_>> {
        self.backend.renderer()?.poll_fd()
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
        self.quiescing = None;
        self.held = Held::No;
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
                let header = answer.header.as_ref();
                let timeline = header.and_then(|header| self.timeline(header).ok().flatten());
                self.waiting.add_done(timeline, answer, released);
                return;
            }
        };
        let timeline = match self.timeline(&request.header) {
            Ok(timeline) => timeline,
            Err(error) => {
                answer.header = Some(request.header);
                answer.encode(Err(error.code()));
                released.push(answer);
                return;
            }
        };
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

    /// The line on which a request's answer waits its turn.
    fn timeline(&self, header: &RequestHeader) -> Result<Option<Timeline>, CommandError> {
        let timeline = Timeline::of(header, self.features);
        if let Some(Timeline::Context { context, ring }) = timeline {
            if ring > RequestHeader::MAX_RING_INDEX {
                return Err(CommandError::UnknownRing(ring));
            }
            self.backend.contexts().check(context)?;
        }
        Ok(timeline)
    }

    /// Answers all requests of a queue that are not answered yet.
    fn answer_waiting(&mut self, index: QueueIndex, released: &mut Vec<Answer>) {
        let taken = self
            .waiting
            .take_matching(|answer| answer.queue == index, released);
        for Taken { running, mut item } in taken {
            if let Some(ticket) = running {
                let known = self.backend.conclude(ticket);
                item.encode(known.as_ref().ok_or(CommandError::Stopped.code()));
            }
            released.push(item);
        }
    }

    fn collect_finished(&mut self, released: &mut Vec<Answer>) {
        for (ticket, result) in self.backend.take_finished() {
            if let Err(error) = &result
                && self.throttle.allows("late failure", Instant::now())
            {
                log::warn!("a command has failed: {}", chain_of(error));
            }
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

/// The answer to a request whose bytes cannot be read, and so has nothing to
/// echo.
fn unreadable(queue: QueueIndex, chain: Chain) -> Answer {
    let mut answer = Answer::none(queue, chain);
    answer.encode(Err(ErrorCode::Unspec));
    answer
}
