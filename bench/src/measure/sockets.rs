//! Messages with a descriptor beside bare calls, and another device model that asks the daemon for a resource.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use msg_socket::{Error, Incoming, Message, Outgoing, Socket, Wait};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use resource_bridge::{Client, Key};

use super::flood::{self, BATCH, Next};
use super::{Setting, WITHOUT_RENDERER};
use crate::daemon::pin_self;
use crate::front_end::FrontEnd;
use crate::guest::{Backing, FULL_HD, attach, create, flush};
use crate::report::{Goal, Line, Report, percentile};
use crate::screen::SendBuffer;
use crate::trips::{Trip, Trips};

const RESOURCE: u32 = 1;
const TRIPS: usize = 2000;

/// Bytes of a question and of an answer with a buffer.
const QUESTION: usize = 16;
const ANSWER: usize = 88;

pub(super) fn measure(setting: &Setting, report: &mut Report) {
    // One processor, so that what is compared is work and not how soon the other one wakes up.
    pin_self(Some(0));
    messages(setting, report);
    questions(setting, report);
    pin_self(None);
    questions_beside_a_flood(setting, report);
}

/// A message of four bytes with a descriptor.
struct Parcel(OwnedFd);

impl Message for Parcel {
    const MAX_BODY: usize = 4;
    const MAX_FDS: usize = 1;

    fn write<'a>(&'a self, out: &mut Outgoing<'a>) {
        out.put(1, &[0_u8; 4]);
        out.attach(self.0.as_fd());
    }

    fn read(message: &mut Incoming<'_>) -> Result<Self, Error> {
        message.body::<[u8; 4]>()?;
        message.take_fd().map(Self)
    }
}

fn messages(setting: &Setting, report: &mut Report) {
    let file = File::open("/dev/null").unwrap();
    let (bare, peer) = bare_pair();
    let (mut ours, mut theirs) = Socket::<Parcel, Parcel>::pair().unwrap();
    let parcel = Parcel(file.try_clone().unwrap().into());
    let results = Trips {
        what: "a message with a descriptor, there and back",
        rounds: setting.rounds,
        count: TRIPS,
        contenders: vec![
            Trip {
                name: "bare",
                go: Box::new(|| {
                    for (from, to) in [(&bare, &peer), (&peer, &bare)] {
                        bare_send(from, QUESTION, Some(&file));
                        bare_receive(to);
                    }
                }),
            },
            Trip {
                name: "msg_socket",
                go: Box::new(|| {
                    ours.send(&parcel, Wait::Block).unwrap();
                    drop(theirs.recv(Wait::Block).unwrap());
                    theirs.send(&parcel, Wait::Block).unwrap();
                    drop(ours.recv(Wait::Block).unwrap());
                }),
            },
        ],
    }
    .run(report);
    ratio(report, "msg_socket: ratio to bare calls", &results, 1.3);
}

/// A daemon that others may ask, with a resource to ask for.
struct Asked {
    front_end: FrontEnd,
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn asked(setting: &Setting) -> Asked {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge");
    let mut told = WITHOUT_RENDERER.to_vec();
    told.extend(["--resource-bridge", path.to_str().unwrap()]);
    let program = setting.ours.told("ours", &told);
    let mut front_end = FrontEnd::start(&program, &setting.guest, 0, SendBuffer::Default);
    front_end.control.succeed(&[
        create(RESOURCE, FULL_HD),
        attach(RESOURCE, Backing::Whole, FULL_HD.bytes()),
    ]);
    Asked {
        front_end,
        _directory: directory,
        path,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn questions(setting: &Setting, report: &mut Report) {
    let asked = asked(setting);
    asked.front_end.daemon.pin(Some(0));
    let mut client = Client::connect(&asked.path, soon()).unwrap();
    let (bare, peer) = bare_pair();
    let file = File::open("/dev/null").unwrap();
    let echo = std::thread::spawn(move || {
        while bare_receive(&peer) == QUESTION {
            bare_send(&peer, ANSWER, Some(&file));
        }
    });
    let results = Trips {
        what: "a question and its answer with a descriptor, idle",
        rounds: setting.rounds,
        count: TRIPS,
        contenders: vec![
            Trip {
                name: "bare socket and thread",
                go: Box::new(|| {
                    bare_send(&bare, QUESTION, None);
                    bare_receive(&bare);
                }),
            },
            Trip {
                name: "resource bridge",
                go: Box::new(|| drop(client.buffer(Key::Id(RESOURCE), soon()).unwrap())),
            },
        ],
    }
    .run(report);
    ratio(
        report,
        "resource bridge: ratio to a bare socket",
        &results,
        1.5,
    );
    drop(bare);
    echo.join().unwrap();
}

fn questions_beside_a_flood(setting: &Setting, report: &mut Report) {
    let mut asked = asked(setting);
    let mut client = Client::connect(&asked.path, soon()).unwrap();
    let control = &mut asked.front_end.control;
    let batch = vec![flush(RESOURCE, FULL_HD.bounds()); usize::from(BATCH)];
    control.lay_out(&batch, true);
    let times = flood::beside(setting, control, || {
        drop(client.buffer(Key::Id(RESOURCE), soon()).unwrap());
        Next::Again
    });
    // A turn of the loop is 2 ms at most: one and 0.1 ms, three and 4 ms.
    for (share, name, bound) in [(0.5, "p50", 2.1), (0.99, "p99", 10.0)] {
        report.add(Line {
            what: format!("a question beside a flood of commands, {name}"),
            unit: "ms",
            values: vec![percentile(&times, share)],
            goal: Goal::AtMost(bound),
        });
    }
}

/// The second contender's times beside the first one's.
fn ratio(report: &mut Report, what: &str, results: &[Vec<f64>], bound: f64) {
    let pairs = results[1].iter().zip(&results[0]);
    report.add(Line {
        what: what.to_owned(),
        unit: "x",
        values: pairs.map(|(ours, bare)| ours / bare).collect(),
        goal: Goal::AtMost(bound),
    });
}

fn bare_pair() -> (OwnedFd, OwnedFd) {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap()
}

fn bare_send(socket: &OwnedFd, length: usize, file: Option<&File>) {
    let bytes = [0; ANSWER];
    let data = [IoSlice::new(&bytes[..length])];
    let fds: Vec<RawFd> = file.iter().map(|file| file.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let control: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &rights };
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_raw_fd(), &data, control, flags, None).unwrap();
}

/// Receives a packet, closes what came with it, and returns its length.
fn bare_receive(socket: &OwnedFd) -> usize {
    let mut bytes = [0; ANSWER];
    let mut control = nix::cmsg_space!([RawFd; 1]);
    let mut data = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let fd = socket.as_raw_fd();
    let message = recvmsg::<()>(fd, &mut data, Some(&mut control), flags).unwrap();
    for control in message.cmsgs().unwrap() {
        if let ControlMessageOwned::ScmRights(fds) = control {
            for fd in fds {
                nix::unistd::close(fd).unwrap();
            }
        }
    }
    message.bytes
}
