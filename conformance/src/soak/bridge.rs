//! Questions of other device models, good and bad, with the descriptors of answers and of clients.

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Instant;

use msg_socket::{Error, Socket, Wait, send_with_fds};
use resource_bridge::{Request, Response, Uuid};

use super::machine::Machine;
use super::meter::Course;
use super::objects::picture;
use super::{Plan, Rounds, SLACK};
use crate::daemon::Daemon;
use crate::message::{assign_uuid, create};
use crate::wait::{LIMIT, wait_until};

/// How often each kind of question is asked.
const ROUNDS: Rounds = Rounds {
    full: 1_000_000,
    least: 10_000,
    warm_up: 1_000,
    slack: SLACK,
};

/// `GetBuffer` of resource 1 under request id 1, byte by byte.
const WHOLE: [u8; 16] = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];

/// A packet that has its client dropped.
struct Bad<'a> {
    name: &'static str,
    bytes: Vec<u8>,
    fds: Vec<BorrowedFd<'a>>,
}

pub(super) fn questions(plan: &Plan) -> Vec<Course> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge");
    let arguments = [
        "--log-level",
        "warn",
        "--resource-bridge",
        path.to_str().unwrap(),
    ];
    let daemon = Daemon::start_with(&plan.program, &arguments);
    wait_until("the bridge's socket", || path.exists());
    let mut machine = Machine::start_with_uuids(&daemon);
    machine.succeed(&picture(1, 64, 64));
    machine.succeed(&[assign_uuid(1), create(2, 64, 64)]);
    let uuid = uuid(&path);
    let unknown = Request::GetBufferByUuid { uuid: [0; 16] };
    let mut courses = Vec::new();
    for (name, request) in [
        ("a resource", Request::GetBuffer { resource: 1 }),
        ("a resource by UUID", Request::GetBufferByUuid { uuid }),
        ("no resource", Request::GetBuffer { resource: 9 }),
        ("no resource by UUID", unknown),
        ("no fence", Request::GetFence { seqno: 1 }),
        ("a UUID", Request::GetUuid { resource: 1 }),
        ("no UUID", Request::GetUuid { resource: 2 }),
    ] {
        let mut client = connect(&path);
        let mut meter = plan.meter(name, ROUNDS);
        while meter.goes_on() {
            client.send(&request, late()).unwrap();
            let answer = client.recv(late()).unwrap();
            let is_refused = matches!(answer, Response::Invalid(_));
            assert_eq!(is_refused, name.starts_with("no "), "{answer:?}");
            drop(answer);
            meter.advance(1);
            machine.measure(&daemon, &mut meter);
        }
        courses.push(meter.finish());
    }
    let null = File::open("/dev/null").unwrap();
    for bad in bad_packets(&null) {
        let mut meter = plan.meter(bad.name, ROUNDS);
        while meter.goes_on() {
            let mut client = connect(&path);
            send_with_fds(client.as_fd(), &[IoSlice::new(&bad.bytes)], &bad.fds).unwrap();
            let end = client.recv(late());
            assert!(matches!(end, Err(Error::Closed)), "{}: {end:?}", bad.name);
            meter.advance(1);
            machine.measure(&daemon, &mut meter);
        }
        courses.push(meter.finish());
    }
    courses
}

fn bad_packets(null: &File) -> Vec<Bad<'_>> {
    let bad = |name, bytes: &[u8], fds| Bad {
        name,
        bytes: bytes.to_vec(),
        fds: vec![null.as_fd(); fds],
    };
    let mut unknown = WHOLE;
    unknown[0] = 9;
    vec![
        bad("half a header", &WHOLE[..6], 0),
        bad("half a question", &WHOLE[..14], 0),
        bad("two in one", &[WHOLE, WHOLE].concat(), 0),
        bad("an unknown tag", &unknown, 0),
        bad("a surplus descriptor", &WHOLE, 1),
        bad("all descriptors", &WHOLE, 253),
    ]
}

/// That of resource 1.
fn uuid(path: &Path) -> Uuid {
    let mut client = connect(path);
    client
        .send(&Request::GetUuid { resource: 1 }, late())
        .unwrap();
    match client.recv(late()).unwrap() {
        Response::Uuid(uuid) => uuid,
        other => panic!("{other:?}"),
    }
}

fn connect(path: &Path) -> Socket<Request, Response> {
    Socket::connect(path, late()).unwrap()
}

fn late() -> Wait {
    Wait::Until(Instant::now() + LIMIT)
}
