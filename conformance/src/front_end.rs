//! The vhost-user front end: QEMU's part of the conversation.

use std::io::{IoSlice, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::eventfd::EventFd;
use virtio_gpu::protocol::Command;
use virtio_gpu::testing::{Answer, Driver};
use virtio_gpu::{QueueIndex, QueueSetup};

use crate::daemon::Daemon;
use crate::gpu_socket::GpuSocket;
use crate::guest::{Guest, QUEUES, Region, USER_BASE, place};
use crate::wait::{LIMIT, wait_until};

/// `VHOST_USER_GET_FEATURES`.
pub const GET_FEATURES: u32 = 1;
/// `VHOST_USER_SET_FEATURES`.
pub const SET_FEATURES: u32 = 2;
/// `VHOST_USER_SET_OWNER`.
pub const SET_OWNER: u32 = 3;
/// `VHOST_USER_SET_MEM_TABLE`.
pub const SET_MEM_TABLE: u32 = 5;
/// `VHOST_USER_SET_VRING_NUM`.
pub const SET_VRING_NUM: u32 = 8;
/// `VHOST_USER_SET_VRING_ADDR`.
pub const SET_VRING_ADDR: u32 = 9;
/// `VHOST_USER_SET_VRING_BASE`.
pub const SET_VRING_BASE: u32 = 10;
/// `VHOST_USER_GET_VRING_BASE`.
pub const GET_VRING_BASE: u32 = 11;
/// `VHOST_USER_SET_VRING_KICK`.
pub const SET_VRING_KICK: u32 = 12;
/// `VHOST_USER_SET_VRING_CALL`.
pub const SET_VRING_CALL: u32 = 13;
/// `VHOST_USER_SET_VRING_ERR`.
pub const SET_VRING_ERR: u32 = 14;
/// `VHOST_USER_GET_PROTOCOL_FEATURES`.
pub const GET_PROTOCOL_FEATURES: u32 = 15;
/// `VHOST_USER_SET_PROTOCOL_FEATURES`.
pub const SET_PROTOCOL_FEATURES: u32 = 16;
/// `VHOST_USER_GET_QUEUE_NUM`.
pub const GET_QUEUE_NUM: u32 = 17;
/// `VHOST_USER_SET_VRING_ENABLE`.
pub const SET_VRING_ENABLE: u32 = 18;
/// `VHOST_USER_SET_BACKEND_REQ_FD`.
pub const SET_BACKEND_REQ_FD: u32 = 21;
/// `VHOST_USER_GET_CONFIG`.
pub const GET_CONFIG: u32 = 24;
/// `VHOST_USER_SET_CONFIG`.
pub const SET_CONFIG: u32 = 25;
/// `VHOST_USER_GPU_SET_SOCKET`.
pub const GPU_SET_SOCKET: u32 = 33;
/// `VHOST_USER_RESET_DEVICE`.
pub const RESET_DEVICE: u32 = 34;
/// `VHOST_USER_GET_MAX_MEM_SLOTS`.
pub const GET_MAX_MEM_SLOTS: u32 = 36;
/// `VHOST_USER_ADD_MEM_REG`.
pub const ADD_MEM_REG: u32 = 37;
/// `VHOST_USER_REM_MEM_REG`.
pub const REM_MEM_REG: u32 = 38;

/// MQ, REPLY_ACK, BACKEND_REQ, CONFIG, RESET_DEVICE, CONFIGURE_MEM_SLOTS.
pub const PROTOCOL_FEATURES: u64 = 1 << 0 | 1 << 3 | 1 << 5 | 1 << 9 | 1 << 13 | 1 << 15;

/// EDID, RESOURCE_UUID, NOTIFY_ON_EMPTY, INDIRECT_DESC, EVENT_IDX, vhost-user's own, VERSION_1, RING_RESET.
pub const FEATURES: u64 =
    1 << 1 | 1 << 2 | 1 << 24 | 1 << 28 | 1 << 29 | 1 << 30 | 1 << 32 | 1 << 40;

/// Among what is offered: resources have UUIDs for a driver that wants them.
pub const RESOURCE_UUID: u64 = 1 << 2;
/// What is offered besides where the daemon is told to.
pub const RESOURCE_BLOB: u64 = 1 << 3;
/// What is offered besides where there is a renderer.
pub const VIRGL: u64 = 1 << 0;
/// The same; QEMU keeps it from its guest.
pub const CONTEXT_INIT: u64 = 1 << 4;

/// What QEMU acknowledges for a Linux guest, but without EVENT_IDX, which the test's driver does not know.
pub const ACKNOWLEDGED: u64 = 1 << 1 | 1 << 28 | 1 << 30 | 1 << 32;

const NEED_REPLY: u32 = 0x8;

/// How a front end tells the device that its guest starts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// With RESET_DEVICE.
    Told,
    /// Not at all, as before QEMU 8.2.
    Silent,
}

/// The front end and its guest.
#[derive(Debug)]
pub struct FrontEnd {
    /// The connection to the daemon.
    pub stream: UnixStream,
    /// The guest.
    pub guest: Guest,
    /// Where each ring goes on.
    pub bases: [u32; 2],
    /// How it tells a reset.
    pub reset: Reset,
    /// What it must be offered.
    pub offered: u64,
    /// What its guest's driver acknowledges.
    pub features: u64,
}

/// A message: its header and its payload.
pub fn encode(request: u32, flags: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [request, flags, payload.len() as u32] {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// The bytes of 32-bit words.
pub fn words(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_ne_bytes())
        .collect()
}

/// The bytes of 64-bit words.
pub fn longs(values: &[u64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_ne_bytes())
        .collect()
}

/// The payload of ADD_MEM_REG and REM_MEM_REG.
pub fn region(guest_address: u64, size: u64, file_offset: u64) -> Vec<u8> {
    longs(&[
        0,
        guest_address,
        size,
        USER_BASE + guest_address,
        file_offset,
    ])
}

impl FrontEnd {
    /// A front end that has said nothing yet.
    pub fn connect(daemon: &Daemon) -> Self {
        Self::connect_for(daemon, Guest::default())
    }

    /// The same, for this guest.
    pub fn connect_for(daemon: &Daemon, guest: Guest) -> Self {
        Self::over(daemon.connect(), guest)
    }

    /// The same, over a connection that is there.
    pub fn over(stream: UnixStream, guest: Guest) -> Self {
        Self {
            stream,
            guest,
            bases: [0; 2],
            reset: Reset::Told,
            offered: FEATURES,
            features: ACKNOWLEDGED,
        }
    }

    /// A front end whose guest's driver is up, and its display socket.
    pub fn running(daemon: &Daemon) -> (Self, GpuSocket) {
        Self::running_with(daemon, Reset::Told)
    }

    /// The same, with a front end that tells resets or not.
    pub fn running_with(daemon: &Daemon, reset: Reset) -> (Self, GpuSocket) {
        let mut front_end = Self::connect(daemon);
        front_end.reset = reset;
        front_end.run()
    }

    /// The same at a daemon that renders, with a guest whose driver draws in 3D.
    pub fn running_in_3d(daemon: &Daemon) -> (Self, GpuSocket) {
        let mut front_end = Self::connect(daemon);
        front_end.draws_in_3d();
        front_end.run()
    }

    /// Has the front end expect a daemon that renders, and its guest's driver draw in 3D, as under QEMU.
    pub fn draws_in_3d(&mut self) {
        self.offered |= VIRGL | CONTEXT_INIT;
        self.features |= VIRGL;
    }

    /// Has the front end expect a daemon that offers blobs.
    pub fn expects_blobs(&mut self) {
        self.offered |= RESOURCE_BLOB;
    }

    fn run(mut self) -> (Self, GpuSocket) {
        self.realize();
        let mut gpu = self.start();
        gpu.settle();
        (self, gpu)
    }

    /// Sends bytes, and descriptors with them, when the daemon has made room for them.
    pub fn send_bytes(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
        let mut sent = Err(msg_socket::Error::WouldBlock);
        wait_until("room in the connection", || {
            sent = msg_socket::send_with_fds(self.stream.as_fd(), &[IoSlice::new(bytes)], fds);
            !matches!(sent, Err(msg_socket::Error::WouldBlock))
        });
        assert_eq!(sent.unwrap(), bytes.len());
    }

    /// Sends a request.
    pub fn send(&self, request: u32, payload: &[u8], fds: &[BorrowedFd<'_>]) {
        self.send_bytes(&encode(request, 0x1, payload), fds);
    }

    /// The payload of the reply to `request`, which must come next.
    pub fn reply(&mut self, request: u32) -> Vec<u8> {
        let mut header = [0; 12];
        self.stream.read_exact(&mut header).unwrap();
        let words: Vec<u32> = header
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| u32::from_ne_bytes(*word))
            .collect();
        assert_eq!(
            (words[0], words[1]),
            (request, 0x5),
            "request and flags of a reply"
        );
        let mut payload = vec![0; words[2] as usize];
        self.stream.read_exact(&mut payload).unwrap();
        payload
    }

    /// Sends a request and returns the payload of its reply.
    pub fn ask(&mut self, request: u32, payload: &[u8]) -> Vec<u8> {
        self.send(request, payload, &[]);
        self.reply(request)
    }

    /// Sends a request whose reply is a number.
    pub fn ask_number(&mut self, request: u32) -> u64 {
        let reply = self.ask(request, &[]);
        u64::from_ne_bytes(reply.try_into().unwrap())
    }

    /// Sends a request and returns its acknowledgement: 0 for success.
    pub fn acknowledged(&mut self, request: u32, payload: &[u8], fds: &[BorrowedFd<'_>]) -> u64 {
        self.send_bytes(&encode(request, 0x1 | NEED_REPLY, payload), fds);
        let reply = self.reply(request);
        u64::from_ne_bytes(reply.try_into().unwrap())
    }

    /// Waits until the daemon has handled everything sent before.
    pub fn synchronize(&mut self) {
        assert_eq!(self.ask_number(GET_QUEUE_NUM), 2);
    }

    /// What QEMU says when the device is made.
    pub fn realize(&mut self) {
        assert_eq!(self.ask_number(GET_FEATURES), self.offered);
        assert_eq!(self.ask_number(GET_PROTOCOL_FEATURES), PROTOCOL_FEATURES);
        self.send(SET_PROTOCOL_FEATURES, &longs(&[PROTOCOL_FEATURES]), &[]);
        assert_eq!(self.ask_number(GET_QUEUE_NUM), 2);
        assert_eq!(self.ask_number(GET_MAX_MEM_SLOTS), 509);
        self.send(SET_OWNER, &[], &[]);
        assert_eq!(self.ask_number(GET_FEATURES), self.offered);
        self.send_calls();
        for queue in QUEUES {
            let index = place(queue) as u64;
            self.send(
                SET_VRING_ERR,
                &longs(&[index]),
                &[self.guest.errors[place(queue)].as_fd()],
            );
        }
    }

    fn send_calls(&self) {
        for queue in QUEUES {
            let index = place(queue) as u64;
            self.send(
                SET_VRING_CALL,
                &longs(&[index]),
                &[self.guest.calls[place(queue)].as_fd()],
            );
        }
    }

    /// What QEMU says when the guest's driver comes up for the first time.
    pub fn start(&mut self) -> GpuSocket {
        self.tell_reset();
        let gpu = self.send_gpu_socket();
        self.bring_up();
        gpu
    }

    /// The same of a front end that shows no screens.
    pub fn start_alone(&mut self) {
        self.tell_reset();
        self.bring_up();
    }

    fn bring_up(&mut self) {
        self.send_calls();
        self.send(SET_FEATURES, &longs(&[self.features]), &[]);
        for place in 0..self.guest.regions.len() {
            self.add_region(place);
        }
        self.start_rings();
    }

    fn tell_reset(&self) {
        if self.reset == Reset::Told {
            self.send(RESET_DEVICE, &[], &[]);
        }
    }

    /// Shares a region of the guest's memory.
    pub fn add_region(&mut self, place: usize) {
        let Region {
            address,
            bytes,
            ref file,
        } = self.guest.regions[place];
        let file = file.try_clone().unwrap();
        let payload = region(address, bytes, 0);
        assert_eq!(self.acknowledged(ADD_MEM_REG, &payload, &[file.as_fd()]), 0);
    }

    /// Takes a region away.
    pub fn remove_region(&mut self, place: usize) {
        let Region { address, bytes, .. } = self.guest.regions[place];
        let payload = region(address, bytes, 0);
        assert_eq!(self.acknowledged(REM_MEM_REG, &payload, &[]), 0);
    }

    /// Hands a display socket over.
    pub fn send_gpu_socket(&self) -> GpuSocket {
        let (gpu, theirs) = GpuSocket::pair();
        self.send(GPU_SET_SOCKET, &[], &[theirs.as_fd()]);
        gpu
    }

    /// Hands a channel over on which the device speaks first, and returns the front end's end of it.
    pub fn send_backend_channel(&mut self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert_eq!(
            self.acknowledged(SET_BACKEND_REQ_FD, &[], &[theirs.as_fd()]),
            0
        );
        ours.set_read_timeout(Some(LIMIT)).unwrap();
        ours
    }

    /// Sets both rings up and enables them.
    pub fn start_rings(&mut self) {
        for queue in QUEUES {
            self.send_ring_setup(queue);
            self.send_kick(queue);
        }
        for queue in QUEUES {
            self.enable(queue, 1);
        }
    }

    /// Hands a ring's kick over, which starts it.
    pub fn send_kick(&self, queue: QueueIndex) {
        let kick = self.guest.kicks[place(queue)].as_fd();
        self.send(SET_VRING_KICK, &longs(&[place(queue) as u64]), &[kick]);
    }

    /// Everything about a ring but its kick.
    pub fn send_ring_setup(&mut self, queue: QueueIndex) {
        let setup = self.guest.driver.ring(queue).setup();
        for (request, payload) in self.ring_setup(queue, &setup) {
            self.send(request, &payload, &[]);
        }
    }

    /// Stops a ring and starts it with this setup; whether the daemon accepted each message.
    pub fn set_up(&mut self, queue: QueueIndex, setup: &QueueSetup) -> bool {
        self.bases[place(queue)] = self.stop_ring(queue);
        let mut accepted = true;
        for (request, payload) in self.ring_setup(queue, setup) {
            accepted &= self.acknowledged(request, &payload, &[]) == 0;
        }
        let index = longs(&[place(queue) as u64]);
        let kick = self.guest.kicks[place(queue)].as_fd().try_clone_to_owned();
        let kick = kick.unwrap();
        accepted && self.acknowledged(SET_VRING_KICK, &index, &[kick.as_fd()]) == 0
    }

    /// The messages that describe a ring.
    fn ring_setup(&self, queue: QueueIndex, setup: &QueueSetup) -> [(u32, Vec<u8>); 3] {
        let index = place(queue) as u32;
        let base = self.bases[place(queue)];
        let user = |at: u64| USER_BASE.wrapping_add(at);
        let mut addresses = words(&[index, 0]);
        addresses.extend(longs(&[
            user(setup.descriptor_table.0),
            user(setup.used_ring.0),
            user(setup.avail_ring.0),
            0,
        ]));
        [
            (SET_VRING_NUM, words(&[index, u32::from(setup.size)])),
            (SET_VRING_BASE, words(&[index, base])),
            (SET_VRING_ADDR, addresses),
        ]
    }

    /// Enables a ring with state 1, disables it with 0.
    pub fn enable(&mut self, queue: QueueIndex, state: u32) {
        let index = place(queue) as u32;
        let result = self.acknowledged(SET_VRING_ENABLE, &words(&[index, state]), &[]);
        assert_eq!(result, 0);
    }

    /// What QEMU says when the virtual machine is stopped or its guest resets the device.
    pub fn stop(&mut self, gpu: GpuSocket) {
        drop(gpu);
        for queue in QUEUES {
            self.enable(queue, 0);
        }
        for queue in QUEUES {
            self.bases[place(queue)] = self.stop_ring(queue);
        }
        self.send_calls();
    }

    /// Stops a ring and returns where it goes on.
    pub fn stop_ring(&mut self, queue: QueueIndex) -> u32 {
        let index = place(queue) as u32;
        let reply = self.ask(GET_VRING_BASE, &words(&[index, 0]));
        assert_eq!(reply[..4], index.to_ne_bytes());
        u32::from_ne_bytes(reply[4..].try_into().unwrap())
    }

    /// `cont` after `stop`.
    pub fn resume(&mut self) -> GpuSocket {
        let gpu = self.send_gpu_socket();
        self.send_calls();
        self.send(SET_FEATURES, &longs(&[self.features]), &[]);
        self.start_rings();
        gpu
    }

    /// A new driver comes up after [`FrontEnd::stop`].
    pub fn restart(&mut self) -> GpuSocket {
        self.tell_reset();
        for queue in QUEUES {
            self.guest.driver.ring(queue).restart();
            self.bases[place(queue)] = 0;
        }
        self.resume()
    }

    /// Has the guest's driver carry out commands and waits for all answers.
    pub fn execute(&mut self, commands: &[Command<'_>]) -> Vec<Answer> {
        for command in commands {
            self.guest.driver.send(command, None);
        }
        for queue in QUEUES {
            self.guest.kick(queue);
        }
        let mut answers = Vec::new();
        let driver = &mut self.guest.driver;
        wait_until("answers to all commands", || {
            for queue in QUEUES {
                answers.extend(driver.take_answers(queue));
            }
            driver.in_flight() == 0
        });
        answers
    }

    /// Carries out commands that all must succeed.
    pub fn succeed(&mut self, commands: &[Command<'_>]) {
        for answer in self.execute(commands) {
            if answer.sent.room > 0 {
                assert!(answer.outcome().is_ok(), "{answer:?}");
            }
        }
    }

    /// Writes into the guest's memory beyond the driver's own.
    pub fn write_image(&self, offset: u64, bytes: &[u8]) {
        self.guest.driver.write(Driver::FREE + offset, bytes);
    }

    /// What came on a ring's error descriptor, without waiting.
    pub fn ring_error(&self, queue: QueueIndex) -> Option<u64> {
        let event: &EventFd = &self.guest.errors[place(queue)];
        event.read().ok()
    }
}
