//! Typed messages: what goes in comes out, and what is no good is refused without leaving a descriptor behind.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use msg_socket::{Error, Incoming, Message, Outgoing, Socket, Wait};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::{FILE, FILES, Letter, NUMBER, alone, late, null, open_descriptors, packet, send_raw};

type End = Socket<Letter, Letter>;

#[test]
fn a_message_arrives_as_it_was_sent() {
    let _guard = alone();
    let (mut ours, mut theirs) = End::pair().unwrap();

    ours.send(&Letter::Number(0x0102_0304), Wait::DontWait)
        .unwrap();

    let received = theirs.recv(Wait::Block).unwrap();
    assert!(matches!(received, Letter::Number(0x0102_0304)));
}

#[test]
fn a_message_is_a_tag_an_id_and_a_body_in_little_endian() {
    let _guard = alone();
    let (mut ours, theirs) = End::pair().unwrap();

    ours.send(&Letter::Number(0x0102_0304), Wait::DontWait)
        .unwrap();

    let mut bytes = [0; 32];
    let received =
        msg_socket::recv_with_fds(theirs.as_fd(), &mut bytes, 0, Wait::DontWait).unwrap();
    assert_eq!(
        bytes[..received.bytes],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1]
    );
}

#[test]
fn a_descriptor_arrives_open_closed_on_exec_and_works() {
    let _guard = alone();
    let (mut ours, mut theirs) = End::pair().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();

    ours.send(&Letter::File(writer.into()), Wait::DontWait)
        .unwrap();
    let Letter::File(arrived) = theirs.recv(Wait::DontWait).unwrap() else {
        panic!("another message");
    };

    let flags = nix::fcntl::fcntl(&arrived, nix::fcntl::FcntlArg::F_GETFD).unwrap();
    assert_eq!(flags & nix::libc::FD_CLOEXEC, nix::libc::FD_CLOEXEC);
    File::from(arrived).write_all(b"through").unwrap();
    let mut bytes = [0; 7];
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"through");
}

#[test]
fn the_sockets_themselves_are_closed_on_exec() {
    let _guard = alone();
    let (ours, theirs) = End::pair().unwrap();

    for socket in [&ours, &theirs] {
        let flags = nix::fcntl::fcntl(socket.as_fd(), nix::fcntl::FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & nix::libc::FD_CLOEXEC, nix::libc::FD_CLOEXEC);
    }
}

/// Sends a packet with some descriptors, and returns what its receiver says; nothing may be left open.
fn refusal(bytes: &[u8], fds: usize) -> Error {
    let (ours, mut theirs) = End::pair().unwrap();
    let files: Vec<OwnedFd> = (0..fds).map(|_| null()).collect();
    let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let before = open_descriptors();

    send_raw(&ours, bytes, &borrowed);
    let error = theirs.recv(Wait::DontWait).unwrap_err();

    assert_eq!(open_descriptors(), before, "{error:?} left some open");
    send_raw(&ours, &packet(NUMBER, 0, &[7, 0, 0, 0]), &[]);
    let next = theirs.recv(Wait::DontWait);
    assert!(matches!(next, Ok(Letter::Number(7))), "after {error:?}");
    error
}

#[test]
fn a_message_of_another_length_is_refused_at_every_byte() {
    let _guard = alone();
    let whole = packet(NUMBER, 0, &[1, 2, 3, 4]);

    for cut in 1..12 {
        let error = refusal(&whole[..cut], 2);
        assert!(
            matches!(error, Error::Length { tag: 0, length, expected: 12 } if length == cut),
            "{cut}: {error:?}"
        );
    }
    for cut in 12..16 {
        let error = refusal(&whole[..cut], 2);
        assert!(
            matches!(error, Error::Length { tag: 1, length, expected: 4 } if length == cut - 12),
            "{cut}: {error:?}"
        );
    }
}

#[test]
fn a_message_longer_than_any_is_truncated_and_says_its_length() {
    let _guard = alone();

    for length in [17_usize, 64, 40_000] {
        let error = refusal(&vec![1; length], 2);
        assert!(
            matches!(error, Error::Truncated { length: whole, max: 16 } if whole == length),
            "{error:?}"
        );
    }
}

#[test]
fn a_tag_nobody_knows_is_refused() {
    let _guard = alone();

    let error = refusal(&packet(9, 0, &[]), 2);

    assert!(matches!(error, Error::UnknownTag(9)), "{error:?}");
}

#[test]
fn a_missing_descriptor_is_an_error_of_its_own() {
    let _guard = alone();

    for (tag, sent) in [(FILE, 0), (FILES, 0), (FILES, 1)] {
        let error = refusal(&packet(tag, 0, &[]), sent);
        assert!(
            matches!(error, Error::MissingFds { tag: of, arrived } if of == tag && arrived == sent),
            "{error:?}"
        );
    }
}

#[test]
fn a_surplus_descriptor_is_an_error_of_its_own() {
    let _guard = alone();

    let with_one = refusal(&packet(FILE, 0, &[]), 2);
    let with_none = refusal(&packet(NUMBER, 0, &[0; 4]), 1);
    let beyond_any = refusal(&packet(FILES, 0, &[]), 3);
    let most = refusal(&packet(FILES, 0, &[]), 253);

    assert!(matches!(
        with_one,
        Error::SurplusFds {
            tag: FILE,
            expected: 1
        }
    ));
    assert!(matches!(
        with_none,
        Error::SurplusFds {
            tag: NUMBER,
            expected: 0
        }
    ));
    assert!(matches!(
        beyond_any,
        Error::SurplusFds {
            tag: 0,
            expected: 2
        }
    ));
    assert!(matches!(
        most,
        Error::SurplusFds {
            tag: 0,
            expected: 2
        }
    ));
}

#[test]
fn descriptors_that_the_process_has_no_room_for_are_lost_and_said_to_be() {
    let _guard = alone();
    let (mut ours, mut theirs) = End::pair().unwrap();
    ours.send(&Letter::Files([null(), null()]), Wait::DontWait)
        .unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let next = null();
    let room_for_one = u64::try_from(next.as_raw_fd()).unwrap() + 1;
    drop(next);
    setrlimit(Resource::RLIMIT_NOFILE, room_for_one, hard).unwrap();

    let result = theirs.recv(Wait::DontWait);

    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    assert!(
        matches!(result, Err(Error::FdsLost { arrived: 1 })),
        "{result:?}"
    );
}

#[test]
fn an_empty_packet_is_not_mistaken_for_the_end() {
    let _guard = alone();
    let (ours, mut theirs) = End::pair().unwrap();
    send_raw(&ours, &[], &[]);

    let empty = theirs.recv(Wait::DontWait);
    drop(ours);
    let end = theirs.recv(Wait::DontWait);

    assert!(
        matches!(empty, Err(Error::Length { length: 0, .. })),
        "{empty:?}"
    );
    assert!(matches!(end, Err(Error::Closed)), "{end:?}");
}

#[test]
fn a_peer_that_is_gone_is_said_to_be_after_its_last_message() {
    let _guard = alone();
    let (mut ours, mut theirs) = End::pair().unwrap();
    ours.send(&Letter::Number(1), Wait::DontWait).unwrap();
    drop(ours);

    let last = theirs.recv(Wait::Block);
    let end = theirs.recv(Wait::Block);
    let sent = theirs.send(&Letter::Number(2), Wait::Block);

    assert!(matches!(last, Ok(Letter::Number(1))), "{last:?}");
    assert!(matches!(end, Err(Error::Closed)), "{end:?}");
    assert!(matches!(sent, Err(Error::Closed)), "{sent:?}");
}

#[test]
fn receiving_waits_as_long_as_it_is_told() {
    let _guard = alone();
    let (_ours, mut theirs) = End::pair().unwrap();

    let at_once = theirs.recv(Wait::DontWait);
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(20);
    let later = theirs.recv(Wait::Until(deadline));

    assert!(matches!(at_once, Err(Error::WouldBlock)), "{at_once:?}");
    assert!(matches!(later, Err(Error::TimedOut)), "{later:?}");
    assert!(Instant::now() >= deadline);
}

#[test]
fn a_message_that_comes_in_time_ends_the_wait() {
    let _guard = alone();
    let (mut ours, mut theirs) = End::pair().unwrap();
    let asker = std::thread::spawn(move || theirs.recv(late()));

    ours.send(&Letter::Number(5), Wait::DontWait).unwrap();

    assert!(matches!(asker.join().unwrap(), Ok(Letter::Number(5))));
}

#[test]
fn a_peer_that_never_reads_makes_sending_wait_as_long_as_it_is_told() {
    let _guard = alone();
    let (mut ours, mut theirs) = End::pair().unwrap();
    let mut sent = 0_u32;
    let full = loop {
        match ours.send(&Letter::Number(sent), Wait::DontWait) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    let deadline = Instant::now() + Duration::from_millis(20);
    let later = ours.send(&Letter::Number(sent), Wait::Until(deadline));

    assert!(matches!(full, Error::WouldBlock), "{full:?}");
    assert!(matches!(later, Err(Error::TimedOut)), "{later:?}");
    for number in 0..sent {
        let received = theirs.recv(Wait::DontWait);
        assert!(matches!(received, Ok(Letter::Number(n)) if n == number));
    }
    assert!(matches!(
        theirs.recv(Wait::DontWait),
        Err(Error::WouldBlock)
    ));
}

#[test]
fn the_halves_work_in_two_threads() {
    let _guard = alone();
    let (ours, theirs) = End::pair().unwrap();
    let (mut sender, mut receiver) = ours.split();
    let (mut their_sender, mut their_receiver) = theirs.split();

    let echo = std::thread::spawn(move || {
        for _ in 0..100 {
            let letter = their_receiver.recv(late()).unwrap();
            their_sender.send(&letter, late()).unwrap();
        }
    });
    for number in 0..100 {
        sender.send(&Letter::Number(number), late()).unwrap();
    }

    for number in 0..100 {
        assert!(matches!(receiver.recv(late()), Ok(Letter::Number(n)) if n == number));
    }
    echo.join().unwrap();
}

#[test]
fn the_descriptor_to_poll_tells_of_a_message_and_of_the_end() {
    let _guard = alone();
    let (mut ours, mut theirs) = End::pair().unwrap();
    let readable = |end: &End| {
        let mut fds = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    };

    assert!(!readable(&theirs));
    ours.send(&Letter::Number(1), Wait::DontWait).unwrap();
    assert!(readable(&theirs));
    theirs.recv(Wait::DontWait).unwrap();
    assert!(!readable(&theirs));
    drop(ours);
    assert!(readable(&theirs));
}

/// A type that does not keep to what it says of itself.
#[derive(Debug)]
struct Boaster;

impl Message for Boaster {
    const MAX_BODY: usize = 4;
    const MAX_FDS: usize = 0;

    fn write<'a>(&'a self, out: &mut Outgoing<'a>) {
        out.put(1, &[0_u8; 5]);
    }

    fn read(message: &mut Incoming<'_>) -> Result<Self, Error> {
        message.body::<()>().map(|()| Self)
    }
}

#[test]
fn a_message_larger_than_its_type_says_does_not_go() {
    let _guard = alone();
    let (mut ours, mut theirs) = Socket::<Boaster, Boaster>::pair().unwrap();

    let sent = ours.send(&Boaster, Wait::DontWait);

    assert!(
        matches!(sent, Err(Error::TooLarge { bytes: 5, fds: 0 })),
        "{sent:?}"
    );
    assert!(matches!(
        theirs.recv(Wait::DontWait),
        Err(Error::WouldBlock)
    ));
}

#[test]
fn no_kind_of_message_leaks_a_descriptor_in_ten_thousand() {
    each_kind_of_message(10_000);
}

#[test]
#[ignore = "it takes minutes; `cargo xtask soak messages` runs it"]
fn no_kind_of_message_leaks_a_descriptor_in_a_million() {
    each_kind_of_message(1_000_000);
}

fn each_kind_of_message(times: u32) {
    let _guard = alone();
    let (ours, mut theirs) = End::pair().unwrap();
    let files = [null(), null(), null()];
    let fds: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let before = open_descriptors();

    for (bytes, attached) in [
        (packet(NUMBER, 0, &[0; 4]), 0),
        (packet(FILE, 0, &[]), 1),
        (packet(FILES, 0, &[]), 2),
        (packet(NUMBER, 0, &[0; 4]), 1),
        (packet(FILE, 0, &[]), 0),
        (packet(FILE, 0, &[]), 3),
        (packet(FILES, 0, &[1]), 2),
        (packet(77, 0, &[]), 2),
        (vec![0; 3], 2),
        (vec![0; 99], 2),
    ] {
        for _ in 0..times {
            send_raw(&ours, &bytes, &fds[..attached]);
            drop(theirs.recv(Wait::DontWait));
        }
        assert_eq!(open_descriptors(), before, "{bytes:?} with {attached}");
    }
}
