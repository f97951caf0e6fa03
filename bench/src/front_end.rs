//! The vhost-user front end: it negotiates what the daemon offers and starts both rings.

use std::io::{IoSlice, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::daemon::{Daemon, Program};
use crate::guest::{AREA, Guest, MEMORY};
use crate::ring::{EventIndex, Ring};
use crate::screen::{Screen, SendBuffer};

const GET_FEATURES: u32 = 1;
const SET_FEATURES: u32 = 2;
const SET_OWNER: u32 = 3;
const SET_MEM_TABLE: u32 = 5;
const SET_VRING_NUM: u32 = 8;
const SET_VRING_ADDR: u32 = 9;
const SET_VRING_BASE: u32 = 10;
const SET_VRING_KICK: u32 = 12;
const SET_VRING_CALL: u32 = 13;
const GET_PROTOCOL_FEATURES: u32 = 15;
const SET_PROTOCOL_FEATURES: u32 = 16;
const SET_VRING_ENABLE: u32 = 18;
const GPU_SET_SOCKET: u32 = 33;

const EVENT_IDX: u64 = 1 << 29;
/// VIRGL, EVENT_IDX, vhost-user's own, VERSION_1.
const FEATURES: u64 = 1 << 0 | EVENT_IDX | 1 << 30 | 1 << 32;
/// MQ, CONFIG.
const PROTOCOL_FEATURES: u64 = 1 << 0 | 1 << 9;

/// Where guest memory is in the front end.
const USER_BASE: u64 = 0x7f00_0000_0000;

const CURSOR_RING: u64 = 0x1_0000;
const CURSOR_REQUESTS: u64 = 0x1_8000;
const CONTROL_REQUESTS: u64 = 0x2_0000;

/// A daemon whose guest's driver is up.
#[derive(Debug)]
pub(crate) struct FrontEnd {
    pub(crate) name: &'static str,
    pub(crate) daemon: Daemon,
    stream: UnixStream,
    pub(crate) control: Ring,
    pub(crate) cursor: Ring,
    pub(crate) screen: Screen,
}

impl FrontEnd {
    /// Starts a daemon on a part of the guest's memory that no other has.
    pub(crate) fn start(program: &Program, guest: &Guest, area: u64, buffer: SendBuffer) -> Self {
        let mut daemon = program.start();
        let stream = daemon.connect();
        let base = area * AREA;
        let ring = |size, table, requests| {
            Ring::new(guest.memory.clone(), size, base + table, base + requests)
        };
        let (screen, socket) = Screen::open(buffer);
        let mut front_end = Self {
            name: program.name,
            daemon,
            stream,
            control: ring(256, 0, CONTROL_REQUESTS),
            cursor: ring(16, CURSOR_RING, CURSOR_REQUESTS),
            screen,
        };
        front_end.negotiate(guest, &socket);
        front_end
    }

    fn negotiate(&mut self, guest: &Guest, socket: &UnixStream) {
        let features = self.ask(GET_FEATURES) & FEATURES;
        let protocol_features = self.ask(GET_PROTOCOL_FEATURES) & PROTOCOL_FEATURES;
        self.send(SET_PROTOCOL_FEATURES, &longs(&[protocol_features]), &[]);
        self.send(SET_OWNER, &[], &[]);
        self.send(GPU_SET_SOCKET, &[], &[socket.as_fd()]);
        self.send(SET_FEATURES, &longs(&[features]), &[]);
        let mut table = words(&[1, 0]);
        table.extend(longs(&[0, MEMORY, USER_BASE, 0]));
        self.send(SET_MEM_TABLE, &table, &[guest.file.as_fd()]);
        if features & EVENT_IDX != 0 {
            self.control.event_index = EventIndex::Used;
            self.cursor.event_index = EventIndex::Used;
        }
        for (index, ring) in [(0_u32, &self.control), (1, &self.cursor)] {
            let number = longs(&[u64::from(index)]);
            let user = |at: u64| USER_BASE + at;
            let mut addresses = words(&[index, 0]);
            addresses.extend(longs(&[
                user(ring.table),
                user(ring.used_ring()),
                user(ring.available_ring()),
                0,
            ]));
            let size = words(&[index, u32::from(ring.size)]);
            self.send(SET_VRING_NUM, &size, &[]);
            self.send(SET_VRING_BASE, &words(&[index, 0]), &[]);
            self.send(SET_VRING_ADDR, &addresses, &[]);
            self.send(SET_VRING_CALL, &number, &[ring.call.as_fd()]);
            self.send(SET_VRING_KICK, &number, &[ring.kick.as_fd()]);
        }
        for index in 0..2 {
            self.send(SET_VRING_ENABLE, &words(&[index, 1]), &[]);
        }
        self.ask(GET_FEATURES);
    }

    fn send(&self, request: u32, payload: &[u8], fds: &[BorrowedFd<'_>]) {
        send(&self.stream, request, payload, fds);
    }

    fn ask(&mut self, request: u32) -> u64 {
        ask(&mut self.stream, request)
    }
}

/// The answer to a daemon's first question.
pub(crate) fn first_answer(stream: &mut UnixStream) -> u64 {
    ask(stream, GET_FEATURES)
}

fn ask(stream: &mut UnixStream, request: u32) -> u64 {
    send(stream, request, &[], &[]);
    let mut reply = [0; 20];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..4], request.to_ne_bytes());
    u64::from_ne_bytes(reply[12..].try_into().unwrap())
}

fn send(stream: &UnixStream, request: u32, payload: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut bytes = words(&[request, 1, payload.len() as u32]);
    bytes.extend_from_slice(payload);
    let sent = msg_socket::send_with_fds(stream.as_fd(), &[IoSlice::new(&bytes)], fds);
    assert_eq!(sent.unwrap(), bytes.len());
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn longs(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|long| long.to_ne_bytes()).collect()
}
