//! Requests and answers.
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used)]

mod support;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use msg_socket::{Error, Requester, Responder, Socket, Wait};
use support::{FILE, Letter, NUMBER, alone, late, null, open_descriptors, packet, send_raw};

fn ends() -> (Requester<Letter, Letter>, Responder<Letter, Letter>) {
    let (ours, theirs) = Socket::<Letter, Letter>::pair().unwrap();
    (Requester::new(ours), Responder::new(theirs))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[test]
fn an_answer_comes_to_its_request() {
    let _guard = alone();
    let (mut asks, mut answers) = ends();
    let server = std::thread::spawn(move || {
        for _ in 0..3 {
            let asked = answers.recv(late()).unwrap();
            let Letter::Number(number) = asked.request else {
                panic!("another message");
            };
            let answer = Letter::Number(number * 2);
            answers.answer(asked.id, &answer, late()).unwrap();
        }
    });

    for number in [1, 20, 300] {
        let answer = asks.call(&Letter::Number(number), soon());
        assert!(matches!(answer, Ok(Letter::Number(n)) if n == number * 2));
    }
    server.join().unwrap();
}

#[test]
fn an_answer_that_comes_too_late_is_not_taken_for_the_next() {
    let _guard = alone();
    let (mut asks, mut answers) = ends();
    let before = open_descriptors();

    let given_up = asks.call(&Letter::Number(1), Instant::now());
    let first = answers.recv(Wait::DontWait).unwrap();
    answers
        .answer(first.id, &Letter::File(null()), Wait::DontWait)
        .unwrap();
    let server = std::thread::spawn(move || {
        let second = answers.recv(late()).unwrap();
        answers
            .answer(second.id, &Letter::Number(22), late())
            .unwrap();
        answers
    });
    let answer = asks.call(&Letter::Number(2), soon());

    assert!(matches!(given_up, Err(Error::TimedOut)), "{given_up:?}");
    assert!(matches!(answer, Ok(Letter::Number(22))), "{answer:?}");
    let _answers = server.join().unwrap();
    assert_eq!(
        open_descriptors(),
        before,
        "the late answer's file is closed"
    );
}

#[test]
fn answers_may_come_in_any_order() {
    let _guard = alone();
    let (ours, theirs) = Socket::<Letter, Letter>::pair().unwrap();
    let mut answers = Responder::<Letter, Letter>::new(theirs);
    send_raw(&ours, &packet(NUMBER, 5, &[1, 0, 0, 0]), &[]);
    send_raw(&ours, &packet(NUMBER, 6, &[2, 0, 0, 0]), &[]);
    let first = answers.recv(Wait::DontWait).unwrap();
    let second = answers.recv(Wait::DontWait).unwrap();

    for asked in [second, first] {
        answers
            .answer(asked.id, &asked.request, Wait::DontWait)
            .unwrap();
    }

    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut bytes = [0; 16];
        msg_socket::recv_with_fds(ours.as_fd(), &mut bytes, 0, Wait::DontWait).unwrap();
        ids.push((bytes[4], bytes[12]));
    }
    assert_eq!(ids, [(6, 2), (5, 1)]);
}

#[test]
fn an_answer_to_no_request_is_an_error_and_leaves_nothing_open() {
    let _guard = alone();
    let file = null();
    for id in [0, 2, u64::MAX] {
        let (ours, theirs) = Socket::<Letter, Letter>::pair().unwrap();
        let mut asks = Requester::new(ours);
        send_raw(&theirs, &packet(FILE, id, &[]), &[file.as_fd()]);
        let before = open_descriptors();

        let answer = asks.call(&Letter::Number(1), soon());

        assert!(
            matches!(answer, Err(Error::UnexpectedAnswer(of)) if of == id),
            "{answer:?}"
        );
        assert_eq!(open_descriptors(), before);
    }
}

#[test]
fn a_flood_of_old_answers_does_not_keep_the_caller_beyond_its_deadline() {
    let _guard = alone();
    let (ours, theirs) = Socket::<Letter, Letter>::pair().unwrap();
    let mut asks = Requester::new(ours);
    for _ in 0..3 {
        let given_up = asks.call(&Letter::Number(1), Instant::now());
        assert!(matches!(given_up, Err(Error::TimedOut)));
    }
    let flood = std::thread::spawn(move || {
        let old = packet(NUMBER, 1, &[0; 4]);
        let piece = [std::io::IoSlice::new(&old)];
        while let Ok(_) | Err(Error::WouldBlock) =
            msg_socket::send_with_fds(theirs.as_fd(), &piece, &[])
        {}
    });

    let answer = asks.call(
        &Letter::Number(2),
        Instant::now() + Duration::from_millis(50),
    );

    assert!(matches!(answer, Err(Error::TimedOut)), "{answer:?}");
    drop(asks);
    flood.join().unwrap();
}

#[test]
fn a_server_that_goes_ends_the_call() {
    let _guard = alone();
    let (mut asks, mut answers) = ends();
    let server = std::thread::spawn(move || drop(answers.recv(late())));

    let answer = asks.call(&Letter::Number(1), soon());

    assert!(matches!(answer, Err(Error::Closed)), "{answer:?}");
    server.join().unwrap();
}
