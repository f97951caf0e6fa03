//! The queues: requests out of them, answers into them.

use std::time::{Duration, Instant};

use gpu_display::Display;
use vm_memory::GuestMemoryMmap;

use super::answer::Answer;
use super::{Device, QueueIndex, StoppedQueue, Turn};
use crate::backend::{Left, Outcome};
use crate::error::{CommandError, DeviceError, chain_of};
use crate::fence::{Taken, Timeline};
use crate::protocol::{Features, RequestHeader, decode, wire};
use crate::queue::{Chain, ChainLimits, Popped, QueueSetup, VirtQueue};

/// Length of a response header: the shortest answer there is.
const HEADER_BYTES: u64 = 24;

/// Length of a SUBMIT_3D without its stream.
const SUBMIT_HEADER_BYTES: usize = 32;

/// What is kept of the memory for a request's bytes.
const REQUEST_BYTES_KEPT: usize = 1 << 20;

impl<D: Display> Device<D> {
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
            self.held = None;
            self.end_transfer(&mut released);
        }
        self.answer_waiting(index, &mut released);
        let turn = self.publish(released);
        self.queues.slot(index).take().map(|queue| StoppedQueue {
            next_avail: queue.next_avail(),
            turn,
        })
    }

    /// Takes no request from a queue until [`Device::resume_queue`], whatever
    /// else happens; what was taken is answered, but for a transfer or a copy of
    /// a blob under way, which rests as well. It may be said of one that does not run, and stays
    /// so when it is started, until the device is reset.
    pub fn suspend_queue(&mut self, index: QueueIndex) {
        *self.queues.is_suspended(index) = true;
    }

    /// Undoes [`Device::suspend_queue`]. There may be requests that nobody
    /// kicks for any more: [`Device::process_queue`] is to be called.
    pub fn resume_queue(&mut self, index: QueueIndex) {
        *self.queues.is_suspended(index) = false;
    }

    /// Works through a queue's requests after a kick, for a bounded time.
    pub fn process_queue(&mut self, index: QueueIndex, now: Instant) -> Turn {
        let Some(memory) = self.memory.clone() else {
            return Turn::default();
        };
        if *self.queues.is_suspended(index) {
            return Turn::default();
        }
        if index == QueueIndex::Control && self.quiescing.is_some() {
            self.held = Some(now);
            return Turn::default();
        }
        let Some(mut queue) = self.queues.slot(index).take() else {
            return Turn::default();
        };
        if index == QueueIndex::Control {
            self.held = None;
            self.backend.grant_memory();
        }
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
                self.held = Some(now);
                break;
            }
            if index == QueueIndex::Control && self.backend.is_preparing() {
                self.backend.carry_stream_on();
                handled = handled.saturating_add(1);
                continue;
            }
            match queue.pop(&memory, &mut self.request, chain_limits) {
                Popped::Request(chain) => {
                    if !is_stream(&self.request) {
                        self.request.truncate(self.backend.limits().request_bytes);
                    }
                    self.handle(index, chain, &memory, &mut released);
                }
                Popped::Unreadable(chain) => released.push(Answer::unreadable(index, chain)),
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
        turn.more |= index == QueueIndex::Control && self.can_go_on();
        self.collect_finished(&mut released);
        turn.merge(self.publish(released))
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
        self.newest_fence = self.newest_fence.max(request.header.fence());
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

    /// Carries the transfer that is under way to its end.
    pub(super) fn end_transfer(&mut self, released: &mut Vec<Answer>) {
        while self.backend.is_transferring() {
            self.backend.carry_transfer_on();
        }
        self.collect_finished(released);
    }

    /// Answers all requests of a queue that are not answered yet.
    pub(super) fn answer_waiting(&mut self, index: QueueIndex, released: &mut Vec<Answer>) {
        let taken = self
            .waiting
            .take_matching(|answer| answer.queue == index, released);
        if index == QueueIndex::Control {
            self.backend.drop_stream();
        }
        for Taken { running, mut item } in taken {
            if let Some(ticket) = running {
                let known = self.backend.conclude(ticket);
                item.encode(known.as_ref().ok_or(CommandError::Stopped.code()));
            }
            released.push(item);
        }
    }

    pub(super) fn collect_finished(&mut self, released: &mut Vec<Answer>) {
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
    pub(super) fn publish(&mut self, answers: Vec<Answer>) -> Turn {
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

/// Whether a request is a command stream, which may be longer than others.
fn is_stream(request: &[u8]) -> bool {
    let kind = request.first_chunk().copied().map(u32::from_le_bytes);
    kind == Some(wire::CMD_SUBMIT_3D)
}
