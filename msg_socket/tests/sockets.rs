//! The promises of the crate over real socket pairs.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use msg_socket::{Error, Wait, recv_with_fds, send_volatile, send_with_fds};
use nix::sys::eventfd::EventFd;
use vm_memory::VolatileSlice;

/// Tests that count the process's descriptors must not overlap with tests that open some.
static DESCRIPTORS: Mutex<()> = Mutex::new(());

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn null_files(count: usize) -> Vec<File> {
    (0..count)
        .map(|_| File::open("/dev/null").unwrap())
        .collect()
}

fn borrowed(files: &[File]) -> Vec<BorrowedFd<'_>> {
    files.iter().map(AsFd::as_fd).collect()
}

fn send(socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize, Error> {
    send_with_fds(socket.as_fd(), &[IoSlice::new(bytes)], fds)
}

#[test]
fn bytes_and_descriptors_arrive_together_and_work() {
    let _guard = DESCRIPTORS.lock();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let event = EventFd::new().unwrap();

    let sent = send_with_fds(
        ours.as_fd(),
        &[IoSlice::new(b"ab"), IoSlice::new(b"cde")],
        &[event.as_fd()],
    )
    .unwrap();
    let mut buffer = [0; 16];
    let mut received = recv_with_fds(theirs.as_fd(), &mut buffer, 4, Wait::DontWait).unwrap();

    assert_eq!(sent, 5);
    assert_eq!(received.bytes, 5);
    assert_eq!(&buffer[..5], b"abcde");
    assert_eq!(received.fds.len(), 1);
    let mut copy = File::from(received.fds.remove(0));
    copy.write_all(&7_u64.to_ne_bytes()).unwrap();
    assert_eq!(event.read().unwrap(), 7);
}

#[test]
fn received_descriptors_are_closed_on_exec_and_when_dropped() {
    let _guard = DESCRIPTORS.lock();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let files = null_files(3);
    let before = open_descriptors();

    send(&ours, b"x", &borrowed(&files)).unwrap();
    let received = recv_with_fds(theirs.as_fd(), &mut [0; 1], 3, Wait::DontWait).unwrap();

    assert_eq!(open_descriptors(), before + 3);
    for fd in &received.fds {
        let info =
            std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap();
        let flags = info
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        assert_eq!(flags & 0o2_000_000, 0o2_000_000, "O_CLOEXEC is set");
    }
    drop(received);
    assert_eq!(open_descriptors(), before);
}

#[test]
fn surplus_descriptors_are_an_error_that_keeps_the_framing_and_leaks_none() {
    let _guard = DESCRIPTORS.lock();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let before = open_descriptors();

    for (sent, asked) in [(1, 0), (2, 1), (9, 8), (33, 32), (253, 32)] {
        let files = null_files(sent);
        send(&ours, b"four", &borrowed(&files)).unwrap();
        drop(files);
        let mut buffer = [0; 8];
        let result = recv_with_fds(theirs.as_fd(), &mut buffer, asked, Wait::DontWait);

        assert!(
            matches!(result, Err(Error::ControlTruncated { bytes: 4, max_fds }) if max_fds == asked),
            "{sent} sent, {asked} asked for: {result:?}"
        );
        assert_eq!(&buffer[..4], b"four");
        assert_eq!(open_descriptors(), before, "{sent} sent, {asked} asked for");
    }
}

#[test]
fn the_most_descriptors_a_message_can_carry_arrive() {
    let _guard = DESCRIPTORS.lock();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let files = null_files(253);

    send(&ours, b"x", &borrowed(&files)).unwrap();
    let received = recv_with_fds(theirs.as_fd(), &mut [0; 1], 253, Wait::DontWait).unwrap();

    assert_eq!(received.fds.len(), 253);
}

#[test]
fn descriptors_come_with_the_first_byte_of_a_split_read() {
    let _guard = DESCRIPTORS.lock();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let files = null_files(2);
    send(&ours, b"abc", &borrowed(&files)).unwrap();

    let first = recv_with_fds(theirs.as_fd(), &mut [0; 1], 8, Wait::DontWait).unwrap();
    let rest = recv_with_fds(theirs.as_fd(), &mut [0; 8], 8, Wait::DontWait).unwrap();

    assert_eq!((first.bytes, first.fds.len()), (1, 2));
    assert_eq!((rest.bytes, rest.fds.len()), (2, 0));
}

#[test]
fn nothing_there_is_would_block_and_a_closed_peer_is_closed() {
    let _guard = DESCRIPTORS.lock();
    let (ours, theirs) = UnixStream::pair().unwrap();

    let empty = recv_with_fds(theirs.as_fd(), &mut [0; 4], 1, Wait::DontWait);
    assert!(matches!(empty, Err(Error::WouldBlock)));
    send(&ours, b"last", &[]).unwrap();
    drop(ours);

    let last = recv_with_fds(theirs.as_fd(), &mut [0; 4], 1, Wait::Block).unwrap();
    assert_eq!(last.bytes, 4);
    let end = recv_with_fds(theirs.as_fd(), &mut [0; 4], 1, Wait::Block);
    assert!(matches!(end, Err(Error::Closed)));
}

#[test]
fn an_empty_buffer_is_not_mistaken_for_the_end() {
    let _guard = DESCRIPTORS.lock();
    let (_ours, theirs) = UnixStream::pair().unwrap();

    let received = recv_with_fds(theirs.as_fd(), &mut [], 1, Wait::Block).unwrap();

    assert_eq!(received.bytes, 0);
}

#[test]
fn sending_to_a_closed_peer_is_an_error_and_raises_no_signal() {
    let _guard = DESCRIPTORS.lock();
    // The runtime ignores SIGPIPE; with the default action a raised signal would end the test process.
    let default_action = nix::sys::signal::SigHandler::SigDfl;
    // SAFETY: the default action runs no handler.
    let previous =
        unsafe { nix::sys::signal::signal(nix::sys::signal::Signal::SIGPIPE, default_action) }
            .unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);

    let result = send(&ours, b"x", &[]);

    assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    // SAFETY: puts back the action that was there before.
    unsafe { nix::sys::signal::signal(nix::sys::signal::Signal::SIGPIPE, previous) }.unwrap();
}

#[test]
fn a_full_socket_takes_a_part_and_then_would_block() {
    let _guard = DESCRIPTORS.lock();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let large: Vec<u8> = (0_u32..1 << 20).map(|i| (i % 251) as u8).collect();

    let mut sent = 0;
    let full = loop {
        match send(&ours, &large[sent..], &[]) {
            Ok(bytes) => sent += bytes,
            Err(error) => break error,
        }
    };

    assert!(matches!(full, Error::WouldBlock), "{full:?}");
    assert!(sent > 0 && sent < large.len());
    let mut arrived = vec![0; sent];
    theirs.read_exact(&mut arrived).unwrap();
    assert_eq!(arrived, large[..sent]);
}

#[test]
fn a_descriptor_that_is_no_socket_is_a_system_error() {
    let _guard = DESCRIPTORS.lock();
    let null = OwnedFd::from(File::open("/dev/null").unwrap());

    let received = recv_with_fds(null.as_fd(), &mut [0; 4], 1, Wait::DontWait);
    let sent = send_with_fds(null.as_fd(), &[IoSlice::new(b"x")], &[]);

    assert!(matches!(
        received,
        Err(Error::System {
            call: "recvmsg",
            ..
        })
    ));
    assert!(matches!(
        sent,
        Err(Error::System {
            call: "sendmsg",
            ..
        })
    ));
}

#[test]
fn pieces_of_shared_memory_arrive_in_their_order() {
    let _guard = DESCRIPTORS.lock();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut first = *b"one ";
    let mut second = *b"two";
    let pieces = [
        VolatileSlice::from(&mut first[..]),
        VolatileSlice::from(&mut second[..]),
    ];

    let sent = send_volatile(ours.as_fd(), &pieces).unwrap();

    assert_eq!(sent, 7);
    let mut bytes = [0; 7];
    theirs.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"one two");
}

#[test]
fn of_too_many_pieces_the_first_1024_go() {
    let _guard = DESCRIPTORS.lock();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut byte = [7];
    let pieces = vec![VolatileSlice::from(&mut byte[..]); 1025];

    let sent = send_volatile(ours.as_fd(), &pieces).unwrap();

    assert_eq!(sent, 1024);
}

#[test]
fn shared_memory_for_a_full_or_closed_socket_is_an_error_and_no_signal() {
    let _guard = DESCRIPTORS.lock();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut bytes = vec![0; 8 << 20];
    let pieces = [VolatileSlice::from(&mut bytes[..])];
    let sent = send_volatile(ours.as_fd(), &pieces).unwrap();
    assert!(sent < 8 << 20, "a short write of what does not fit");

    let full = send_volatile(ours.as_fd(), &pieces);
    drop(theirs);
    let closed = send_volatile(ours.as_fd(), &pieces);

    assert!(matches!(full, Err(Error::WouldBlock)), "{full:?}");
    assert!(matches!(closed, Err(Error::Closed)), "{closed:?}");
}
