//! Clients and the server.
#![allow(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used)]

mod support;

use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use msg_socket::{Listener, Socket, Wait, send_with_fds};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use resource_bridge::{
    Client, Error, Key, Reason, Request, Response, ServerConfig, Shared, Verdict,
};
use support::{Rig, SEVEN, alone, buffer, late, null, open_descriptors};

fn rig() -> Rig {
    Rig::new(ServerConfig::default())
}

const ASK_FOR_SEVEN: Request = Request::GetBuffer { resource: 7 };

fn is_refused<T>(result: &Result<T, Error>, reason: Reason) -> bool {
    matches!(result, Err(Error::Invalid(given)) if *given == reason)
}

#[test]
fn a_resource_comes_by_its_id_and_by_its_uuid() {
    let _guard = alone();
    let mut rig = rig();
    rig.shelf.generation = 3;

    let (by_id, by_uuid) = rig.serve(|mut client| {
        let by_id = client.buffer(Key::Id(7), late()).unwrap();
        (by_id, client.buffer(Key::Uuid(SEVEN), late()).unwrap())
    });

    for buffer in [by_id, by_uuid] {
        assert_eq!((buffer.width, buffer.height), (64, 32));
        assert_eq!(buffer.generation, 3);
        assert_eq!(buffer.planes.len(), 1);
    }
    assert_eq!(rig.server.statistics().answered, 2);
}

#[test]
fn what_cannot_be_had_is_refused_with_its_reason() {
    let _guard = alone();

    rig().serve(|mut client| {
        let unknown = client.buffer(Key::Id(1), late());
        let unshared = client.buffer(Key::Id(9), late());
        let nobody = client.buffer(Key::Uuid([1; 16]), late());
        let without = client.uuid(8, late());
        let fence = client.fence(2, late());

        assert!(is_refused(&unknown, Reason::UnknownResource));
        assert!(is_refused(&unshared, Reason::RendererSharesNothing));
        assert!(is_refused(&nobody, Reason::UnknownResource));
        assert!(is_refused(&without, Reason::NoUuid));
        assert!(is_refused(&fence, Reason::NoFences));
    });
}

#[test]
fn fences_and_uuids_come_where_there_are_some() {
    let _guard = alone();

    rig().serve(|mut client| {
        assert!(client.fence(1, late()).is_ok());
        assert_eq!(client.uuid(7, late()).unwrap(), SEVEN);
    });
}

#[test]
fn what_is_shared_later_is_answered_then_and_nobody_else_waits() {
    let _guard = alone();
    let mut rig = rig();
    let mut waits = rig.connection();
    let mut other = rig.connection();
    waits
        .send(&Request::GetBuffer { resource: 8 }, Wait::DontWait)
        .unwrap();
    other.send(&ASK_FOR_SEVEN, Wait::DontWait).unwrap();
    rig.turn();

    assert!(matches!(
        other.recv(Wait::DontWait),
        Ok(Response::Buffer(_))
    ));
    assert!(matches!(
        waits.recv(Wait::DontWait),
        Err(msg_socket::Error::WouldBlock)
    ));
    assert!(rig.server.is_waiting());
    let ticket = rig.shelf.promised.remove(0);
    rig.shelf
        .later
        .push_back((ticket, Ok(Shared::Buffer(buffer(1)))));
    rig.turn();

    assert!(matches!(
        waits.recv(Wait::DontWait),
        Ok(Response::Buffer(_))
    ));
    assert!(!rig.server.is_waiting());
}

#[test]
fn what_is_shared_for_a_client_that_has_gone_is_closed() {
    let _guard = alone();
    let mut rig = rig();
    let mut waits = rig.connection();
    let before = open_descriptors();
    waits
        .send(&Request::GetBuffer { resource: 8 }, Wait::DontWait)
        .unwrap();
    rig.turn();
    drop(waits);
    rig.turn();
    let ticket = rig.shelf.promised.remove(0);
    rig.shelf
        .later
        .push_back((ticket, Ok(Shared::Buffer(buffer(1)))));

    rig.turn();

    assert_eq!(rig.server.clients(), 0);
    assert!(!rig.server.is_waiting());
    assert_eq!(open_descriptors(), before - 2, "both ends are closed");
}

#[test]
fn a_client_has_a_bounded_number_of_questions_that_wait() {
    let _guard = alone();
    let mut rig = Rig::new(ServerConfig {
        waiting_questions: 2,
        ..ServerConfig::default()
    });
    let mut client = rig.connection();
    for _ in 0..3 {
        client
            .send(&Request::GetBuffer { resource: 8 }, Wait::DontWait)
            .unwrap();
        rig.turn();
    }

    let answer = client.recv(Wait::DontWait).unwrap();
    assert!(matches!(
        answer,
        Response::Invalid(Reason::TooManyQuestions)
    ));
    assert_eq!(rig.shelf.promised.len(), 2);
}

#[test]
fn the_policy_decides_before_anything_is_shared() {
    let _guard = alone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let mut rig = Rig::new(ServerConfig {
        policy: Box::new(move |resource, peer| {
            noted
                .lock()
                .unwrap()
                .push((resource.resource, peer.process));
            if resource.shown {
                Verdict::Allow
            } else {
                Verdict::Refuse
            }
        }),
        ..ServerConfig::default()
    });

    rig.serve(|mut client| {
        let hidden = client.buffer(Key::Id(8), late());
        assert!(is_refused(&hidden, Reason::NotAllowed));
        assert!(is_refused(&client.uuid(9, late()), Reason::NotAllowed));
        assert!(client.buffer(Key::Id(7), late()).is_ok());
    });

    assert_eq!(rig.shelf.shared, 1);
    let us = i32::try_from(std::process::id()).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(8, us), (9, us), (7, us)]);
}

#[test]
fn several_clients_are_served_and_those_beyond_the_cap_are_turned_away() {
    let _guard = alone();
    let mut rig = Rig::new(ServerConfig {
        clients: 2,
        ..ServerConfig::default()
    });
    let mut clients = [rig.connection(), rig.connection()];
    let mut beyond = rig.connection();

    for client in &mut clients {
        client.send(&ASK_FOR_SEVEN, Wait::DontWait).unwrap();
    }
    rig.turn();

    for client in &mut clients {
        assert!(matches!(
            client.recv(Wait::DontWait),
            Ok(Response::Buffer(_))
        ));
    }
    assert!(matches!(
        beyond.recv(Wait::DontWait),
        Err(msg_socket::Error::Closed)
    ));
    assert_eq!(rig.server.statistics().turned_away, 1);
    drop(clients);
    rig.turn();
    let mut next = rig.connection();
    next.send(&ASK_FOR_SEVEN, Wait::DontWait).unwrap();
    rig.turn();
    assert!(next.recv(Wait::DontWait).is_ok(), "there is room again");
}

/// A question of this client is answered.
fn is_served(rig: &mut Rig, client: &mut Socket<Request, Response>) -> bool {
    client.send(&ASK_FOR_SEVEN, Wait::DontWait).is_ok() && {
        rig.turn();
        matches!(client.recv(Wait::DontWait), Ok(Response::Buffer(_)))
    }
}

#[test]
fn one_more_client_takes_the_place_of_the_one_that_was_quiet_for_the_longest() {
    let _guard = alone();
    let mut rig = Rig::new(ServerConfig {
        clients: 3,
        idle: Duration::ZERO,
        ..ServerConfig::default()
    });
    let [mut first, mut second, mut third] = [(); 3].map(|()| rig.connection());
    first
        .send(&Request::GetBuffer { resource: 8 }, Wait::DontWait)
        .unwrap();
    rig.turn();
    assert!(
        is_served(&mut rig, &mut second),
        "it was quiet before the third"
    );

    let mut fourth = rig.connection();

    assert!(matches!(
        third.recv(Wait::DontWait),
        Err(msg_socket::Error::Closed)
    ));
    assert!(is_served(&mut rig, &mut second));
    assert!(is_served(&mut rig, &mut fourth));
    let ticket = rig.shelf.promised.remove(0);
    let shared = Ok(Shared::Buffer(buffer(1)));
    rig.shelf.later.push_back((ticket, shared));
    rig.turn();
    let answer = first.recv(Wait::DontWait);
    assert!(matches!(answer, Ok(Response::Buffer(_))), "it waited");
    assert_eq!(rig.server.statistics().displaced, 1);
    assert_eq!(rig.server.statistics().turned_away, 0);
}

#[test]
fn a_flood_of_connections_takes_no_place_of_a_client_that_has_just_asked() {
    let _guard = alone();
    let mut rig = Rig::new(ServerConfig {
        clients: 2,
        idle: Duration::from_secs(10),
        ..ServerConfig::default()
    });
    let mut clients = [rig.connection(), rig.connection()];
    let asked = Instant::now();
    assert!(clients.iter_mut().all(|client| is_served(&mut rig, client)));

    let at = |rig: &mut Rig, after: u64| {
        let (ours, theirs) = Socket::pair().unwrap();
        let now = asked + Duration::from_secs(after);
        rig.server.connect(theirs, now).unwrap();
        ours
    };
    let flood: Vec<Socket<Request, Response>> = (0..100).map(|_| at(&mut rig, 9)).collect();

    assert_eq!(rig.server.statistics().turned_away, 100);
    assert!(clients.iter_mut().all(|client| is_served(&mut rig, client)));
    drop(flood);
    let mut late = at(&mut rig, 60);
    assert!(
        is_served(&mut rig, &mut late),
        "they were quiet for long now"
    );
}

#[test]
fn who_asks_while_somebody_connects_is_not_quiet() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge");
    let mut rig = Rig::new(ServerConfig {
        clients: 2,
        idle: Duration::ZERO,
        ..ServerConfig::default()
    });
    rig.server.listen(Listener::bind(&path).unwrap()).unwrap();
    let mut asks = rig.connection();
    let mut quiet = rig.connection();
    let _newcomer = Socket::<Request, Response>::connect(&path, Wait::DontWait).unwrap();
    asks.send(&ASK_FOR_SEVEN, Wait::DontWait).unwrap();

    rig.turn();

    assert!(matches!(asks.recv(Wait::DontWait), Ok(Response::Buffer(_))));
    assert!(matches!(
        quiet.recv(Wait::DontWait),
        Err(msg_socket::Error::Closed)
    ));
}

#[test]
fn nobody_of_many_who_ask_while_somebody_connects_is_quiet() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge");
    let mut rig = Rig::new(ServerConfig {
        clients: 40,
        idle: Duration::from_secs(10),
        ..ServerConfig::default()
    });
    rig.server.listen(Listener::bind(&path).unwrap()).unwrap();
    let mut clients: Vec<_> = (0..40).map(|_| rig.connection()).collect();
    let _newcomer = Socket::<Request, Response>::connect(&path, Wait::DontWait).unwrap();
    for client in &mut clients {
        client.send(&ASK_FOR_SEVEN, Wait::DontWait).unwrap();
    }

    let a_minute_later = Instant::now() + Duration::from_secs(60);
    rig.server.dispatch(&mut rig.shelf, a_minute_later).unwrap();

    for client in &mut clients {
        let answer = client.recv(Wait::DontWait);
        assert!(matches!(answer, Ok(Response::Buffer(_))), "{answer:?}");
    }
    assert_eq!(rig.server.statistics().turned_away, 1);
    assert_eq!(rig.server.statistics().displaced, 0);
}

#[test]
fn a_fence_that_comes_later_is_answered_then() {
    let _guard = alone();
    let mut rig = rig();
    let mut waits = rig.connection();
    waits
        .send(&Request::GetFence { seqno: 3 }, Wait::DontWait)
        .unwrap();
    rig.turn();
    assert!(rig.server.is_waiting());

    let ticket = rig.shelf.promised.remove(0);
    rig.shelf
        .later
        .push_back((ticket, Ok(Shared::Fence(null()))));
    rig.turn();

    let answer = waits.recv(Wait::DontWait);
    assert!(matches!(answer, Ok(Response::Fence(_))), "{answer:?}");
}

#[test]
fn a_client_that_breaks_the_protocol_is_dropped_alone_wherever_it_is_cut() {
    let _guard = alone();
    let mut rig = rig();
    let mut good = rig.connection();
    let whole = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0];
    let file = null();
    let before = open_descriptors();

    for cut in 0..whole.len() {
        for fds in 0..=1 {
            let bad = rig.connection();
            let files = vec![file.as_fd(); fds];
            send_with_fds(bad.as_fd(), &[IoSlice::new(&whole[..cut])], &files).unwrap();
            drop(bad);
            rig.turn();
            assert_eq!(rig.server.clients(), 1, "{cut} bytes, {fds} descriptors");
        }
    }

    assert_eq!(open_descriptors(), before);
    good.send(&ASK_FOR_SEVEN, Wait::DontWait).unwrap();
    rig.turn();
    assert!(good.recv(Wait::DontWait).is_ok());
}

#[test]
fn two_messages_in_one_packet_are_one_that_is_too_long() {
    let _guard = alone();
    let mut rig = rig();
    let bad = rig.connection();
    let one = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0];

    send_with_fds(bad.as_fd(), &[IoSlice::new(&one), IoSlice::new(&one)], &[]).unwrap();
    rig.turn();

    assert_eq!(rig.server.clients(), 0);
    assert_eq!(rig.server.statistics().dropped, 1);
}

#[test]
fn a_client_that_asks_and_never_reads_is_dropped_and_nothing_stays_open() {
    let _guard = alone();
    let mut rig = rig();
    let before = open_descriptors();
    let mut deaf = rig.connection();

    let end = late();
    while rig.server.clients() == 1 {
        assert!(Instant::now() < end);
        while deaf.send(&ASK_FOR_SEVEN, Wait::DontWait).is_ok() {}
        rig.turn();
    }
    drop(deaf);

    assert_eq!(rig.server.statistics().dropped, 1);
    assert_eq!(open_descriptors(), before);
}

#[test]
fn a_turn_is_bounded_and_a_flood_does_not_starve_the_others() {
    let _guard = alone();
    let mut rig = rig();
    let mut flood = rig.connection();
    let mut quiet = rig.connection();
    for _ in 0..100 {
        flood.send(&ASK_FOR_SEVEN, Wait::DontWait).unwrap();
    }
    quiet.send(&ASK_FOR_SEVEN, Wait::DontWait).unwrap();

    rig.turn();

    assert!(quiet.recv(Wait::DontWait).is_ok());
    assert_eq!(rig.server.statistics().answered, 2);
    assert!(rig.is_ready(), "there is more to do");
    for _ in 0..99 {
        rig.turn();
    }
    assert_eq!(rig.server.statistics().answered, 101);
    assert!(!rig.is_ready());
}

#[test]
fn a_hundred_thousand_questions_are_answered_and_nothing_stays_open() {
    let _guard = alone();
    let mut rig = rig();
    let before = open_descriptors();

    rig.serve(|mut client| {
        for _ in 0..50_000 {
            client.buffer(Key::Id(7), late()).unwrap();
            client.buffer(Key::Id(1), late()).unwrap_err();
        }
    });
    rig.turn();

    assert_eq!(rig.server.statistics().answered, 100_000);
    assert_eq!(open_descriptors(), before);
}

#[test]
fn clients_connect_over_any_of_several_paths() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut rig = rig();
    let paths = ["one", "two"].map(|name| directory.path().join(name));
    for path in &paths {
        rig.server.listen(Listener::bind(path).unwrap()).unwrap();
    }

    for path in &paths {
        let mut client = Socket::<Request, Response>::connect(path, Wait::DontWait).unwrap();
        client.send(&ASK_FOR_SEVEN, Wait::DontWait).unwrap();
        rig.turn();
        rig.turn();
        assert!(matches!(
            client.recv(Wait::DontWait),
            Ok(Response::Buffer(_))
        ));
    }
}

#[test]
fn without_free_descriptors_who_connects_waits_and_the_server_does_not_spin() {
    let _guard = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge");
    let mut rig = rig();
    rig.server.listen(Listener::bind(&path).unwrap()).unwrap();
    let mut client = Client::connect(&path, late()).unwrap();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();

    rig.turn();

    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    assert_eq!(rig.server.clients(), 0);
    assert!(!rig.is_ready(), "it is not reported again and again");
    let due = rig.server.deadline().unwrap();
    rig.server.dispatch(&mut rig.shelf, due).unwrap();
    assert_eq!(rig.server.clients(), 1, "now it is accepted");
    assert_eq!(rig.server.deadline(), None);
    let late_answer = client.buffer(Key::Id(7), Instant::now());
    assert!(matches!(
        late_answer,
        Err(Error::Connection(msg_socket::Error::TimedOut))
    ));
}
