//! A virtual machine at a daemon: front end, guest, and viewer, as fast as they can be in one thread.

use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use virtio_gpu::QueueIndex;
use virtio_gpu::testing::{Driver, Piece};
use vm_memory::{Bytes, GuestAddress};

use super::meter::Meter;
use super::sample::Sample;
use super::viewer::Viewer;
use crate::daemon::Daemon;
use crate::front_end::{CONTEXT_INIT, FrontEnd, RESOURCE_UUID, Reset};
use crate::gpu_socket::GpuSocket;
use crate::guest::{Guest, QUEUES};
use crate::message::Message;
use crate::wait::LIMIT;

/// Requests that are made available before a kick.
const BATCH: usize = 64;

/// Bytes of the guest's memory.
const MEMORY: u64 = 64 << 20;
/// Where requests are.
pub(super) const REQUESTS: u64 = Driver::FREE;
/// Where answers are, one behind the other.
pub(super) const ANSWERS: u64 = 40 << 20;
const ANSWER_BYTES: u64 = 2048;
/// Where pictures are.
pub(super) const IMAGE: u64 = 44 << 20;

/// `VIRTIO_GPU_RESP_OK_NODATA`, the least answer that is no error.
const OK_NODATA: u32 = 0x1100;
/// `VIRTIO_GPU_RESP_ERR_UNSPEC`, the first error.
const ERR_UNSPEC: u32 = 0x1200;

/// Descriptors that are made available together.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) queue: QueueIndex,
    pub(super) pieces: Vec<Piece>,
    /// Where its answer is.
    pub(super) answer: u64,
}

/// A chain that the device has.
#[derive(Debug, Clone, Copy)]
struct Pending {
    queue: QueueIndex,
    head: u16,
    answer: u64,
    place: usize,
}

/// A virtual machine whose guest's driver is up.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) front_end: FrontEnd,
    viewer: Option<Viewer>,
    pending: Vec<Pending>,
}

impl Machine {
    /// At a front end that tells resets.
    pub(super) fn start(daemon: &Daemon) -> Self {
        Self::start_with(daemon, Reset::Told)
    }

    /// At a front end that tells resets, with a driver that wants UUIDs.
    pub(super) fn start_with_uuids(daemon: &Daemon) -> Self {
        let guest = Guest::with_regions(&[(0, MEMORY)]);
        let mut front_end = FrontEnd::connect_for(daemon, guest);
        front_end.features |= RESOURCE_UUID;
        Self::run(front_end)
    }

    /// At a front end that tells resets or not.
    pub(super) fn start_with(daemon: &Daemon, reset: Reset) -> Self {
        let guest = Guest::with_regions(&[(0, MEMORY)]);
        let mut front_end = FrontEnd::connect_for(daemon, guest);
        front_end.reset = reset;
        Self::run(front_end)
    }

    /// At a daemon that renders, with a driver that draws in 3D.
    pub(super) fn start_in_3d(daemon: &Daemon) -> Self {
        let guest = Guest::with_regions(&[(0, MEMORY)]);
        let mut front_end = FrontEnd::connect_for(daemon, guest);
        front_end.draws_in_3d();
        front_end.features |= CONTEXT_INIT;
        Self::run(front_end)
    }

    fn run(mut front_end: FrontEnd) -> Self {
        front_end.realize();
        let gpu = front_end.start();
        Self {
            front_end,
            viewer: Some(Viewer::new(gpu)),
            pending: Vec::new(),
        }
    }

    /// Makes requests available, batch by batch, and waits for all of them. The types of the answers, in the order
    /// of the requests; 0 for a request that was answered with nothing.
    pub(super) fn carry_out(&mut self, messages: &[Message]) -> Vec<u32> {
        let mut answers = Vec::new();
        let mut rest = messages;
        while !rest.is_empty() {
            let (chains, taken) = self.lay_out(rest);
            rest = &rest[taken..];
            answers.extend(self.exchange(&chains));
        }
        answers
    }

    /// Carries out requests that must succeed.
    pub(super) fn succeed(&mut self, messages: &[Message]) {
        let answers = self.carry_out(messages);
        for (message, answer) in messages.iter().zip(answers) {
            let fine = (OK_NODATA..ERR_UNSPEC).contains(&answer) || message.room == 0;
            assert!(fine, "{answer:#x} for {message:?}");
        }
    }

    /// Makes requests available and waits for none of them. They fit in a batch.
    pub(super) fn submit(&mut self, messages: &[Message]) {
        let (chains, taken) = self.lay_out(messages);
        assert_eq!(taken, messages.len());
        self.publish(&chains);
    }

    /// Makes chains available and waits for all of them: the types of the answers.
    pub(super) fn exchange(&mut self, chains: &[Chain]) -> Vec<u32> {
        self.publish(chains);
        self.wait(chains.len())
    }

    /// Waits for what was submitted: the types of the answers.
    pub(super) fn settle(&mut self) -> Vec<u32> {
        self.wait(self.pending.len())
    }

    /// Waits until so many of the submitted requests are left.
    pub(super) fn settle_but(&mut self, left: usize) {
        let places = self.pending.iter().map(|pending| pending.place + 1);
        let chains = places.max().unwrap_or(0);
        self.wait_but(chains, left);
    }

    /// Writes as many requests to memory as a batch and the rings hold.
    fn lay_out(&mut self, messages: &[Message]) -> (Vec<Chain>, usize) {
        let mut chains = Vec::new();
        let mut at = REQUESTS;
        let mut cursor_descriptors = 0;
        for message in messages.iter().take(BATCH) {
            let length = message.bytes.len() as u64;
            let descriptors = if message.room == 0 { 1 } else { 2 };
            if message.queue == QueueIndex::Cursor {
                cursor_descriptors += descriptors;
            }
            if at + length > ANSWERS || cursor_descriptors > 16 {
                break;
            }
            let answer = ANSWERS + ANSWER_BYTES * chains.len() as u64;
            self.write(at, &message.bytes);
            let mut pieces = vec![Piece::readable(at, length as u32)];
            if message.room > 0 {
                pieces.push(Piece::writable(answer, message.room));
            }
            chains.push(Chain {
                queue: message.queue,
                pieces,
                answer,
            });
            at = (at + length).next_multiple_of(16);
        }
        let taken = chains.len();
        (chains, taken)
    }

    /// Writes to the guest's memory.
    pub(super) fn write(&self, address: u64, bytes: &[u8]) {
        self.front_end.guest.driver.write(address, bytes);
    }

    fn publish(&mut self, chains: &[Chain]) {
        for (place, chain) in chains.iter().enumerate() {
            let ring = self.front_end.guest.driver.ring(chain.queue);
            let head = ring.publish(&chain.pieces);
            self.pending.push(Pending {
                queue: chain.queue,
                head,
                answer: chain.answer,
                place,
            });
        }
        self.kick();
    }

    /// Tells the device of the rings that have something.
    fn kick(&self) {
        for queue in QUEUES {
            if self.pending.iter().any(|pending| pending.queue == queue) {
                self.front_end.guest.kick(queue);
            }
        }
    }

    fn wait(&mut self, chains: usize) -> Vec<u32> {
        self.wait_but(chains, 0)
    }

    fn wait_but(&mut self, chains: usize, left: usize) -> Vec<u32> {
        let mut answers = vec![0; chains];
        let end = Instant::now() + LIMIT;
        loop {
            for queue in QUEUES {
                self.take_used(queue, &mut answers);
            }
            if self.pending.len() <= left {
                return answers;
            }
            assert!(Instant::now() < end, "waited in vain for answers");
            self.idle();
        }
    }

    fn take_used(&mut self, queue: QueueIndex, answers: &mut [u32]) {
        let guest = &mut self.front_end.guest;
        while let Some(used) = guest.driver.ring(queue).take_used() {
            let place = self
                .pending
                .iter()
                .position(|pending| pending.queue == queue && pending.head == used.head)
                .expect("what comes back was made available");
            let pending = self.pending.swap_remove(place);
            if used.length >= 4 {
                let answer = guest.memory.read_obj(GuestAddress(pending.answer));
                answers[pending.place] = answer.expect("answers are in memory");
            }
        }
    }

    /// Waits for an interrupt or something to see, for a while.
    fn idle(&mut self) {
        let guest = &self.front_end.guest;
        let mut fds: Vec<_> = guest
            .calls
            .iter()
            .map(|call| PollFd::new(call.as_fd(), PollFlags::POLLIN))
            .collect();
        if let Some(viewer) = &self.viewer {
            let stream = viewer.socket().stream.as_fd();
            fds.push(PollFd::new(stream, PollFlags::POLLIN));
        }
        poll(&mut fds, PollTimeout::from(100_u16)).expect("these can be polled");
        for queue in QUEUES {
            guest.take_interrupts(queue);
        }
        self.follow();
    }

    fn follow(&mut self) -> bool {
        self.viewer.as_mut().is_some_and(Viewer::follow)
    }

    /// Hands over a new display socket with a viewer.
    pub(super) fn replace_display(&mut self) {
        self.viewer = Some(Viewer::new(self.front_end.send_gpu_socket()));
    }

    /// Hands over a new display socket that nobody looks at.
    pub(super) fn neglect_display(&mut self) -> GpuSocket {
        self.viewer = None;
        self.front_end.send_gpu_socket()
    }

    /// The guest resets the device, whatever it is at, and its driver comes up again.
    pub(super) fn reset(&mut self) {
        let gpu = match self.viewer.take() {
            Some(viewer) => viewer.into_socket(),
            None => self.front_end.send_gpu_socket(),
        };
        self.front_end.stop(gpu);
        self.pending.clear();
        let gpu = self.front_end.restart();
        self.viewer = Some(Viewer::new(gpu));
    }

    /// Waits until the daemon has done all it was told to, and the viewer has seen it.
    pub(super) fn rest(&mut self) {
        let mut still = 0;
        while still < 2 {
            self.front_end.synchronize();
            still = if self.follow() { 0 } else { still + 1 };
        }
    }

    /// Samples the daemon when it is time.
    pub(super) fn measure(&mut self, daemon: &Daemon, meter: &mut Meter) {
        if meter.is_due() {
            self.rest();
            meter.record(Sample::of(daemon.pid()));
        }
    }
}
