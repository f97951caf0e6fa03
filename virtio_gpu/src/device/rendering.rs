//! The device and its renderer: what has ended, and bringing it to rest.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use gpu_display::Display;
use gpu_renderer::RenderQueue;

use super::{Device, Progress, QueueIndex, Quiescing, Turn};
use crate::backend::{Left, RenderNews};

impl<D: Display> Device<D> {
    /// Presents what changed, what the renderer has finished included.
    pub(super) fn settle(&mut self) -> Left {
        let left = self.backend.present();
        match self.backend.dispatch_renderer() {
            RenderNews::Nothing => left,
            RenderNews::Some => self.backend.present(),
        }
    }

    /// Takes in what the renderer has finished, and goes on with the control
    /// queue where it had to wait for that: when [`Device::renderer_fd`] is
    /// readable or [`Device::deadline`] due.
    pub fn dispatch_renderer(&mut self, now: Instant) -> Turn {
        let left = self.settle();
        let mut released = Vec::new();
        self.collect_finished(&mut released);
        let mut turn = self.publish(released);
        turn.more = left == Left::More;
        if self.can_go_on() {
            let resumed = self.process_queue(QueueIndex::Control, now);
            if resumed.more {
                self.held = Some(now);
            }
            turn = turn.merge(resumed);
        }
        turn
    }

    /// Whether the control queue does not have to wait any more. Nobody will
    /// kick for what is in it.
    pub(super) fn can_go_on(&self) -> bool {
        self.held.is_some()
            && self.quiescing.is_none()
            && self.queues.control.is_some()
            && !self.queues.is_control_suspended
            && self.backend.renderer_has_room()
    }

    /// Brings the renderer to rest: it ends what it was given, for up to
    /// [`Limits::drain_millis`](crate::Limits::drain_millis), and then lets go of the guest's memory. What
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
        while self.backend.is_preparing() && self.backend.renderer_has_room() {
            self.backend.carry_stream_on();
        }
        if self.drain_end(begun).is_some_and(|end| end <= now) {
            let mut released = Vec::new();
            self.end_transfer(&mut released);
            self.answer_waiting(QueueIndex::Control, &mut released);
            turn = turn.merge(self.publish(released));
            self.backend.revoke_memory();
        }
        // Until there is something to wait for, or nothing any more.
        while !self.backend.is_rendering() && !self.backend.is_revoked() {
            self.backend.revoke_memory();
            turn = turn.merge(self.dispatch_renderer(now));
        }
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
        let held = self.held.filter(|_| self.can_go_on());
        [display, renderer, drain, held].into_iter().flatten().min()
    }

    /// Readable when the renderer has finished something: then
    /// [`Device::dispatch_renderer`] is to be called. `None` without a renderer
    /// or with one in this thread.
    pub fn renderer_fd(&self) -> Option<BorrowedFd<'_>> {
        self.backend.renderer()?.poll_fd()
    }
}
