//! Front ends that break off, stall, flood or hand over the wrong things. What a front end says
//! wrong in a whole message is in `refusals.rs`; sockets, signals and logs are in `daemon.rs`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command as Program, Stdio};
use std::time::Duration;

use conformance::daemon::{Daemon, Running, connect};
use conformance::front_end::*;
use conformance::guest::{Guest, MEMORY, QUEUES, USER_BASE, place, shared_file};
use conformance::wait::wait_until;
use gpu_buffer::Rect;
use nix::fcntl::OFlag;
use nix::sys::eventfd::EventFd;
use support::PROGRAM;
use support::drawing::*;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{Command, ErrorCode, ResourceId};
use virtio_gpu::testing::{Driver, entry};
use vm_memory::{Bytes, GuestAddress};

/// A message, and the descriptor that goes with it.
type Message = (Vec<u8>, Option<OwnedFd>);

/// All that a front end says until its guest's driver runs, without questions.
fn conversation(guest: &mut Guest) -> Vec<Message> {
    let owned = |fd: BorrowedFd<'_>| Some(fd.try_clone_to_owned().unwrap());
    let plain = |request, payload: Vec<u8>| (encode(request, 1, &payload), None);
    let mut messages = vec![
        plain(SET_PROTOCOL_FEATURES, longs(&[PROTOCOL_FEATURES])),
        plain(SET_OWNER, vec![]),
        plain(RESET_DEVICE, vec![]),
        plain(SET_FEATURES, longs(&[ACKNOWLEDGED])),
        (
            encode(ADD_MEM_REG, 1, &region(0, MEMORY, 0)),
            owned(guest.regions[0].file.as_fd()),
        ),
    ];
    for queue in QUEUES {
        let setup = guest.driver.ring(queue).setup();
        let index = u32::from(place(queue) == 1);
        let long = longs(&[u64::from(index)]);
        let user = |at: u64| USER_BASE + at;
        let mut addresses = words(&[index, 0]);
        addresses.extend(longs(&[
            user(setup.descriptor_table.0),
            user(setup.used_ring.0),
            user(setup.avail_ring.0),
            0,
        ]));
        let fd = |request, fds: &[EventFd; 2]| {
            (encode(request, 1, &long), owned(fds[place(queue)].as_fd()))
        };
        messages.extend([
            fd(SET_VRING_ERR, &guest.errors),
            fd(SET_VRING_CALL, &guest.calls),
            plain(SET_VRING_NUM, words(&[index, u32::from(setup.size)])),
            plain(SET_VRING_BASE, words(&[index, 0])),
            plain(SET_VRING_ADDR, addresses),
            fd(SET_VRING_KICK, &guest.kicks),
            plain(SET_VRING_ENABLE, words(&[index, 1])),
        ]);
    }
    messages
}

/// Sends bytes, with the descriptor at the first of them.
fn send(front_end: &FrontEnd, bytes: &[u8], fd: Option<&OwnedFd>) {
    let fds: Vec<_> = fd.iter().map(|fd| fd.as_fd()).collect();
    front_end.send_bytes(bytes, &fds);
}

fn realized(daemon: &Daemon) -> FrontEnd {
    let mut front_end = FrontEnd::connect(daemon);
    front_end.realize();
    front_end.synchronize();
    front_end
}

#[test]
fn it_ends_in_order_wherever_the_front_end_breaks_off() {
    let messages = conversation(&mut Guest::default()).len();
    for last in 0..messages {
        for place in ["first byte", "header", "last byte"] {
            let mut daemon = Daemon::start(PROGRAM);
            let mut front_end = FrontEnd::connect(&daemon);
            let messages = conversation(&mut front_end.guest);
            for (bytes, fd) in &messages[..last] {
                send(&front_end, bytes, fd.as_ref());
            }
            let (bytes, fd) = &messages[last];
            let cut = match place {
                "first byte" => 1,
                "header" => 12,
                _ => bytes.len() - 1,
            };
            send(&front_end, &bytes[..cut], fd.as_ref());
            drop(front_end);

            let (status, took) = daemon.wait();
            let what = format!("message {last}, after the {place}: {}", daemon.log());
            assert!(status.code().is_some(), "{status} at {what}");
            assert!(took < Duration::from_secs(1), "{took:?} at {what}");
            assert!(!daemon.log().contains("panicked"), "{what}");
            assert!(!daemon.socket_path().exists(), "{what}");
        }
    }
}

#[test]
fn a_whole_conversation_byte_by_byte_is_understood() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = FrontEnd::connect(&daemon);

    for (bytes, fd) in conversation(&mut front_end.guest) {
        for (place, byte) in bytes.iter().enumerate() {
            let fd = fd.as_ref().filter(|_| place == 0);
            send(&front_end, std::slice::from_ref(byte), fd);
        }
    }

    front_end.synchronize();
    front_end.succeed(&[Command::GetDisplayInfo]);
}

#[test]
fn what_is_no_memory_is_not_taken_for_memory() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);
    let mut gpu = front_end.start();
    gpu.settle();
    front_end.synchronize();
    let before = daemon.holdings();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, vec![0; 4096]).unwrap();
    let open = |flags: OFlag| {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits());
        options.open(&path).unwrap()
    };
    let (pipe, _writer) = std::io::pipe().unwrap();
    let (socket, _other) = UnixStream::pair().unwrap();
    let event = EventFd::new().unwrap();
    let read_only = open(OFlag::empty());
    let nameless = open(OFlag::O_PATH);
    let file = shared_file(4096);
    let kinds: [(&str, BorrowedFd<'_>); 5] = [
        ("a pipe", pipe.as_fd()),
        ("a socket", socket.as_fd()),
        ("an eventfd", event.as_fd()),
        ("a file that can only be read", read_only.as_fd()),
        ("a path", nameless.as_fd()),
    ];
    let elsewhere = 1 << 40;

    for (what, fd) in kinds {
        let added = front_end.acknowledged(ADD_MEM_REG, &region(elsewhere, 4096, 0), &[fd]);
        assert_eq!(added, 1, "{what}");
        let mut table = words(&[1, 0]);
        table.extend(longs(&[elsewhere, 4096, USER_BASE + elsewhere, 0]));
        assert_eq!(
            front_end.acknowledged(SET_MEM_TABLE, &table, &[fd]),
            1,
            "{what}"
        );
    }
    for (what, payload) in [
        (
            "guest addresses overlap",
            longs(&[0, 4096, 4096, USER_BASE + elsewhere, 0]),
        ),
        (
            "user addresses overlap",
            longs(&[0, elsewhere, 4096, USER_BASE + 4096, 0]),
        ),
        (
            "guest addresses wrap",
            longs(&[0, u64::MAX - 4095, 8192, USER_BASE + elsewhere, 0]),
        ),
        (
            "user addresses wrap",
            longs(&[0, elsewhere, 4096, u64::MAX - 100, 0]),
        ),
        (
            "the offset wraps",
            longs(&[0, elsewhere, 4096, USER_BASE + elsewhere, u64::MAX - 100]),
        ),
    ] {
        let added = front_end.acknowledged(ADD_MEM_REG, &payload, &[file.as_fd()]);
        assert_eq!(added, 1, "{what}");
    }

    assert_eq!(daemon.holdings(), before);
    front_end.succeed(&[Command::GetDisplayInfo]);
}

#[test]
fn descriptors_that_nobody_asked_for_are_closed() {
    let daemon = Daemon::start(PROGRAM);
    let mut front_end = realized(&daemon);
    let before = daemon.holdings();
    let null = File::open("/dev/null").unwrap();
    // As many as a message can carry.
    let flood = vec![null.as_fd(); 253];
    /// `GET_INFLIGHT_FD`, `SET_INFLIGHT_FD` and `SET_BACKEND_REQ_FD`, none of them offered.
    const NOT_OFFERED: [u32; 3] = [31, 32, 21];

    for round in 0..200 {
        for request in NOT_OFFERED {
            let fds = &flood[..1 + round % 3];
            let result = front_end.acknowledged(request, &[0; 24], fds);
            assert_ne!(result, 0, "request {request}");
        }
        assert_ne!(front_end.acknowledged(SET_OWNER, &[], &flood), 0);
        assert_ne!(front_end.acknowledged(GPU_SET_SOCKET, &[], &flood), 0);
    }

    front_end.synchronize();
    assert_eq!(daemon.holdings(), before);
}

#[test]
fn a_descriptor_that_is_replaced_is_closed() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, gpu) = FrontEnd::running(&daemon);
    front_end.synchronize();
    let before = daemon.holdings();
    let same = EventFd::new().unwrap();

    for _ in 0..1000 {
        for index in 0..2_u64 {
            front_end.send(SET_VRING_CALL, &longs(&[index]), &[same.as_fd()]);
            front_end.send(SET_VRING_ERR, &longs(&[index]), &[same.as_fd()]);
        }
        // A reply now and then keeps the two in step.
        front_end.synchronize();
    }
    let mut old = gpu;
    for _ in 0..20 {
        let next = front_end.send_gpu_socket();
        front_end.synchronize();
        old.read_to_end();
        old = next;
    }

    assert_eq!(daemon.holdings(), before);
    front_end.succeed(&[Command::GetDisplayInfo]);
}

#[test]
fn memory_goes_while_transfers_from_it_wait_and_each_is_answered() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, _gpu) = FrontEnd::running(&daemon);
    let extra = 1 << 32;
    let file = shared_file(1 << 20);
    let whole = Rect::from_size(512, 512);
    let transfers: Vec<_> = (0..60).map(|_| transfer(whole, 512)).collect();
    let add = |front_end: &mut FrontEnd| {
        front_end.acknowledged(ADD_MEM_REG, &region(extra, 1 << 20, 0), &[file.as_fd()])
    };
    assert_eq!(add(&mut front_end), 0);
    create(&mut front_end, IMAGE, B8G8R8X8, 512, 512);
    for _ in 0..20 {
        let entries = [entry(extra, 1 << 20)];
        let resource = IMAGE;
        front_end.succeed(&[
            Command::ResourceDetachBacking { resource },
            Command::ResourceAttachBacking {
                resource,
                entries: &entries,
            },
        ]);
        for command in &transfers {
            front_end.guest.driver.send(command, None);
        }
        front_end.guest.kick(QueueIndex::Control);
        let removed = front_end.acknowledged(REM_MEM_REG, &region(extra, 1 << 20, 0), &[]);
        assert_eq!(removed, 0);

        let mut answers = Vec::new();
        let driver = &mut front_end.guest.driver;
        wait_until("every transfer's answer", || {
            answers.extend(driver.take_answers(QueueIndex::Control));
            driver.in_flight() == 0
        });
        assert_eq!(answers.len(), transfers.len());
        for answer in answers {
            let outcome = answer.outcome();
            let fine = matches!(outcome, Ok(_) | Err(ErrorCode::Unspec));
            assert!(fine, "{outcome:?}");
        }
        let gone = front_end.execute(&[transfer(whole, 512)]);
        assert_eq!(gone[0].outcome(), Err(ErrorCode::Unspec));
        assert_eq!(add(&mut front_end), 0);
        front_end.succeed(&[transfer(whole, 512)]);
    }
}

#[test]
fn a_front_end_that_reads_no_replies_holds_nothing_up() {
    let mut daemon = Daemon::start(PROGRAM);
    let (mut front_end, gpu) = FrontEnd::running(&daemon);
    drop(gpu);
    front_end.stream.set_nonblocking(true).unwrap();
    let question = encode(GET_FEATURES, 1, &[]);
    let mut asked = 0;
    // Until the daemon stops reading because it cannot reply, and its socket is full too.
    let mut stalls = 0;
    while stalls < 20 {
        match front_end.stream.write(&question) {
            Ok(length) => {
                assert_eq!(length, question.len());
                (asked, stalls) = (asked + 1, 0);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
                stalls += 1;
            }
            Err(error) => panic!("after {asked} questions: {error}"),
        }
    }
    assert!(asked > 100);

    front_end.succeed(&[Command::GetDisplayInfo]);
    let (_, before) = daemon.activity();
    std::thread::sleep(Duration::from_millis(500));
    let (_, after) = daemon.activity();
    assert!(after - before <= 5, "{} ticks of waiting", after - before);

    front_end.stream.set_nonblocking(false).unwrap();
    for _ in 0..asked {
        front_end.reply(GET_FEATURES);
    }
    front_end.synchronize();
    drop(front_end);
    assert_eq!(daemon.wait().0.code(), Some(0));
}

#[test]
fn a_front_end_that_says_no_more_is_gone() {
    let mut daemon = Daemon::start(PROGRAM);
    let (front_end, _gpu) = FrontEnd::running(&daemon);

    front_end
        .stream
        .shutdown(std::net::Shutdown::Write)
        .unwrap();

    assert_eq!(daemon.wait().0.code(), Some(0));
    let mut rest = Vec::new();
    (&front_end.stream).read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn after_a_reset_in_the_middle_of_work_nothing_is_written() {
    let daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    let before = {
        front_end.synchronize();
        daemon.holdings()
    };
    for round in 0..50_u64 {
        create(&mut front_end, IMAGE, B8G8R8X8, 256, 256);
        let whole = Rect::from_size(256, 256);
        for _ in 0..40 {
            front_end
                .guest
                .driver
                .send(&transfer(whole, 256), Some(round));
            front_end.guest.driver.send(&flush(whole), Some(round));
        }
        front_end.guest.kick(QueueIndex::Control);
        std::thread::sleep(Duration::from_micros(37 * (round % 20)));

        // GET_VRING_BASE is answered when the ring is at rest.
        drop(gpu);
        for queue in QUEUES {
            front_end.stop_ring(queue);
        }
        let snapshot = |front_end: &FrontEnd| {
            let mut bytes = vec![0; 2 << 20];
            let memory = &front_end.guest.memory;
            memory.read_slice(&mut bytes, GuestAddress(0)).unwrap();
            bytes
        };
        let at_rest = snapshot(&front_end);
        std::thread::sleep(Duration::from_millis(2));
        assert!(snapshot(&front_end) == at_rest, "round {round}");

        front_end.guest.driver = Driver::new(front_end.guest.memory.clone());
        gpu = front_end.restart();
        gpu.settle();
    }
    front_end.synchronize();
    assert_eq!(daemon.holdings(), before);
}

/// A daemon in a shell that has set limits, and the path of its socket.
fn limited(limits: &str) -> (Running, tempfile::TempDir, UnixStream) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let script = format!(
        "{limits}; exec '{PROGRAM}' --renderer none -s '{}'",
        path.display()
    );
    let mut shell = Program::new("sh");
    shell.args(["-c", &script]).stderr(Stdio::null());
    let daemon = Running::start(&mut shell);
    let stream = connect(&path);
    (daemon, directory, stream)
}

#[test]
fn without_descriptors_left_a_message_is_refused_and_the_next_works() {
    let (mut daemon, _directory, stream) = limited("ulimit -n 24");
    let mut front_end = FrontEnd::over(stream, Guest::default());
    front_end.realize();
    let mut gpu = front_end.start();
    gpu.settle();
    let file = shared_file(4096);
    let at = |place: u64| region((1 << 32) + 4096 * place, 4096, 0);

    let added: Vec<u64> = (0..40)
        .map(|place| front_end.acknowledged(ADD_MEM_REG, &at(place), &[file.as_fd()]))
        .collect();

    let refused = added.iter().filter(|result| **result != 0).count();
    assert!((1..40).contains(&refused), "{added:?}");
    front_end.succeed(&[Command::GetDisplayInfo]);
    assert_eq!(front_end.acknowledged(REM_MEM_REG, &at(0), &[]), 0);
    let again = front_end.acknowledged(ADD_MEM_REG, &at(0), &[file.as_fd()]);
    assert_eq!(again, 0);
    assert!(daemon.0.try_wait().unwrap().is_none());
}

#[test]
fn without_memory_left_a_transfer_is_refused_and_a_smaller_one_works() {
    let (_daemon, _directory, stream) = limited("ulimit -v 200000");
    let mut front_end = FrontEnd::over(stream, Guest::default());
    front_end.realize();
    let mut gpu = front_end.start();
    gpu.settle();
    let large = ResourceId(7);
    let pixel = Rect::from_size(1, 1);
    let entries = [entry(0, 4096)];
    front_end.succeed(&[
        Command::ResourceCreate2d(virtio_gpu::protocol::ResourceCreate2d {
            resource: large,
            format: B8G8R8X8,
            width: 8192,
            height: 8000,
        }),
        Command::ResourceAttachBacking {
            resource: large,
            entries: &entries,
        },
    ]);

    let answers = front_end.execute(&[Command::TransferToHost2d {
        rect: pixel,
        offset: 0,
        resource: large,
    }]);

    assert_eq!(answers[0].outcome(), Err(ErrorCode::OutOfMemory));
    show(&mut front_end, &mut gpu, 64, 64);
}

#[test]
fn a_viewer_that_goes_while_pictures_are_sent_costs_only_the_pictures() {
    let mut daemon = Daemon::start(PROGRAM);
    let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
    let whole = Rect::from_size(1000, 1000);
    create(&mut front_end, IMAGE, B8G8R8X8, 1000, 1000);
    for _ in 0..20 {
        front_end.succeed(&[set_scanout(1000, 1000), flush(whole)]);
        // More than the socket holds is on its way, and nobody will read it.
        let mut some = [0; 1000];
        gpu.stream.read_exact(&mut some).unwrap();
        drop(gpu);
        front_end.succeed(&[flush(whole), Command::GetDisplayInfo]);
        gpu = front_end.send_gpu_socket();
    }
    assert!(daemon.is_running());
}
