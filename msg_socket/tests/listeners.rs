//! Listening and connecting.
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use msg_socket::{Error, Listener, Socket, Wait};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use support::{Letter, alone, late, null};

type End = Socket<Letter, Letter>;

fn is_closed_on_exec(fd: impl AsFd) -> bool {
    fcntl(fd.as_fd(), FcntlArg::F_GETFD).unwrap() & libc::FD_CLOEXEC != 0
}

fn inheritable(fd: impl AsFd) -> OwnedFd {
    let copy = fd.as_fd().try_clone_to_owned().unwrap();
    fcntl(&copy, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    copy
}

#[test]
fn who_connects_is_accepted_and_can_talk() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = Listener::bind(&path).unwrap();

    let nobody = listener.accept::<Letter, Letter>(Wait::DontWait);
    let mut client = End::connect(&path, Wait::Block).unwrap();
    let mut server: End = listener.accept(late()).unwrap();
    client.send(&Letter::File(null()), late()).unwrap();

    assert!(matches!(nobody, Err(Error::WouldBlock)), "{nobody:?}");
    assert!(matches!(server.recv(late()), Ok(Letter::File(_))));
    let process = i32::try_from(std::process::id()).unwrap();
    assert_eq!(server.peer().unwrap().process, process);
    assert!(is_closed_on_exec(&listener));
    assert!(is_closed_on_exec(&client));
    assert!(is_closed_on_exec(&server));
}

#[test]
fn accepting_waits_as_long_as_it_is_told() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let listener = Listener::bind(&directory.path().join("socket")).unwrap();
    let deadline = Instant::now() + Duration::from_millis(20);

    let nobody = listener.accept::<Letter, Letter>(Wait::Until(deadline));

    assert!(matches!(nobody, Err(Error::TimedOut)), "{nobody:?}");
    assert!(Instant::now() >= deadline);
}

#[test]
fn where_nobody_listens_the_connection_fails() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();

    let result = End::connect(&directory.path().join("socket"), Wait::Block);

    assert!(matches!(
        result,
        Err(Error::System {
            call: "connect",
            ..
        })
    ));
}

#[test]
fn where_too_many_wait_connecting_waits_as_long_as_it_is_told() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _listener = Listener::bind(&path).unwrap();
    let mut waiting = Vec::new();
    let full = loop {
        match End::connect(&path, Wait::DontWait) {
            Ok(end) => waiting.push(end),
            Err(error) => break error,
        }
        assert!(waiting.len() < 100, "there is an end to the line");
    };

    let deadline = Instant::now() + Duration::from_millis(20);
    let later = End::connect(&path, Wait::Until(deadline));

    assert!(matches!(full, Error::WouldBlock), "{full:?}");
    assert!(matches!(later, Err(Error::TimedOut)), "{later:?}");
    assert!(Instant::now() >= deadline);
}

#[test]
fn the_socket_file_goes_with_the_listener_and_a_stale_one_is_replaced() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a stale file of another program");

    let listener = Listener::bind(&path).unwrap();
    assert!(path.exists());
    drop(listener);

    assert!(!path.exists());
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = Listener::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    File::create(&path).unwrap();

    drop(listener);

    assert!(path.exists());
}

#[test]
fn a_path_that_is_in_use_is_taken() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("file");
    File::create(&plain).unwrap();
    let stream = directory.path().join("stream");
    let _stream = UnixListener::bind(&stream).unwrap();
    let packets = directory.path().join("packets");
    let _packets = Listener::bind(&packets).unwrap();

    for path in [plain, stream, packets] {
        let result = Listener::bind(&path);
        assert!(
            matches!(&result, Err(Error::PathTaken { path: taken }) if *taken == path),
            "{result:?}"
        );
    }
}

#[test]
fn an_inherited_listener_and_an_inherited_connection_work() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let parent = Listener::bind(&path).unwrap();
    let listener = Listener::from_fd(inheritable(&parent)).unwrap();
    let client = End::connect(&path, Wait::Block).unwrap();
    let mut server: End = listener.accept(late()).unwrap();

    let mut client = End::from_fd(inheritable(&client)).unwrap();
    client.send(&Letter::Number(3), late()).unwrap();

    assert!(matches!(server.recv(late()), Ok(Letter::Number(3))));
    assert!(is_closed_on_exec(&listener));
    assert!(is_closed_on_exec(&client));
    drop(listener);
    assert!(path.exists(), "the file is the parent's");
}

#[test]
fn what_is_inherited_has_to_be_the_right_kind_of_socket() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream");
    let stream_listener = UnixListener::bind(&path).unwrap();
    let (stream, _other) = UnixStream::pair().unwrap();
    let (connected, _peer) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::empty(),
    )
    .unwrap();
    let listener = Listener::bind(&directory.path().join("packets")).unwrap();

    for wrong in [null(), stream.into(), stream_listener.into(), connected] {
        let result = Listener::from_fd(wrong);
        assert!(
            matches!(result, Err(Error::WrongSocket { .. })),
            "{result:?}"
        );
    }
    for wrong in [null(), inheritable(&listener)] {
        let result = End::from_fd(wrong);
        assert!(
            matches!(result, Err(Error::WrongSocket { .. })),
            "{result:?}"
        );
    }
}
