//! A front end that stands still in the middle of something is let go in time; one that is slow or quiet is not.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use conformance::daemon::connect;
use conformance::front_end::*;
use conformance::guest::Guest;
use conformance::wait::LIMIT;
use support::in_thread::{self, Renderer, Serving};
use vhost_user_gpu::Error;
use vhost_user_gpu::endpoint::Endpoint;
use vhost_user_gpu::serve::{Ended, Lifetime, Service};
use virtio_gpu::protocol::Command;

const PATIENCE: Duration = Duration::from_millis(300);

/// How front ends are served here.
fn service(lifetime: Lifetime) -> Service {
    Service {
        lifetime,
        patience: PATIENCE,
        ..Service::default()
    }
}

/// A daemon for one front end, and the connection to it.
fn connected() -> (UnixStream, Serving) {
    in_thread::connected(service(Lifetime::OneFrontEnd), Renderer::None)
}

/// Asks until the daemon, which finds no room for its replies, takes no more.
fn flood(stream: &UnixStream) {
    stream.set_nonblocking(true).unwrap();
    let question = encode(GET_FEATURES, 1, &[]);
    let mut full = 0;
    while full < 20 {
        match (&mut &*stream).write(&question) {
            Ok(_) => full = 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                full += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).unwrap();
}

#[test]
fn wherever_a_message_stops_the_session_ends_in_time() {
    let whole = encode(SET_FEATURES, 1, &[0; 8]);
    for cut in [1, 11, 12, 19] {
        let (mut stream, serving) = connected();
        let start = Instant::now();
        stream.write_all(&whole[..cut]).unwrap();

        let error = serving.join().unwrap().unwrap_err();

        assert!(matches!(error, Error::MessageUnfinished { patience } if patience == PATIENCE));
        assert_eq!(
            error.chain(),
            "the front end stopped in the middle of a message and sent nothing for 300ms"
        );
        assert!(error.hint().is_some());
        let took = start.elapsed();
        assert!(took >= PATIENCE && took < LIMIT / 2, "{took:?} at {cut}");
    }
}

#[test]
fn unread_replies_end_the_session_in_time_and_the_guest_is_served_until_then() {
    let (stream, serving) = connected();
    let mut front_end = FrontEnd::over(stream, Guest::default());
    front_end.realize();
    let mut gpu = front_end.start();
    gpu.settle();

    flood(&front_end.stream);
    front_end.succeed(&[Command::GetDisplayInfo]);
    let error = serving.join().unwrap().unwrap_err();

    assert!(matches!(error, Error::RepliesUnread { patience } if patience == PATIENCE));
    assert_eq!(
        error.chain(),
        "the front end has read none of the replies that wait for it for 300ms"
    );
}

#[test]
fn a_slow_front_end_is_waited_for_as_long_as_it_goes_on() {
    let (mut stream, serving) = connected();
    let whole = encode(GET_QUEUE_NUM, 1, &[]);
    let start = Instant::now();

    for byte in &whole {
        std::thread::sleep(PATIENCE / 4);
        stream.write_all(&[*byte]).unwrap();
    }
    assert!(start.elapsed() > 2 * PATIENCE);
    let mut reply = [0; 20];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..4], GET_QUEUE_NUM.to_ne_bytes());

    // Between messages it may do nothing at all.
    std::thread::sleep(3 * PATIENCE);
    stream.write_all(&whole).unwrap();
    stream.read_exact(&mut reply).unwrap();

    drop(stream);
    assert_eq!(serving.join().unwrap().unwrap(), Ended::FrontEndGone);
}

#[test]
fn replies_that_are_read_slowly_are_waited_for() {
    let (stream, serving) = connected();
    flood(&stream);
    let start = Instant::now();

    let mut some = [0; 200];
    while start.elapsed() < 3 * PATIENCE {
        std::thread::sleep(PATIENCE / 4);
        assert!((&mut &stream).read(&mut some).unwrap() > 0);
    }

    assert!(!serving.is_finished());
    drop(stream);
    assert_eq!(serving.join().unwrap().unwrap(), Ended::FrontEndGone);
}

/// A front end that greets the daemon, which must have time for it soon.
fn greet(path: &Path) {
    let mut front_end = FrontEnd::over(connect(path), Guest::default());
    front_end.realize();
}

#[test]
fn who_waits_behind_one_that_stands_still_gets_the_turn() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let bound = path.clone();
    // It ends with the test's process: only SIGTERM would end it before.
    let service = service(Lifetime::UntilTerminated);
    let serving = in_thread::daemon(service, Renderer::None, move || {
        Endpoint::bind(&bound).unwrap()
    });

    for stall in 0..4 {
        let mut stuck = connect(&path);
        match stall {
            0 | 1 => stuck.write_all(&[1]).unwrap(),
            _ => flood(&stuck),
        }
        greet(&path);
    }

    assert!(!serving.is_finished());
}
