//! Other device models ask the daemon for the guest's resources.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod support;

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use gpu_buffer::Rect;
use msg_socket::{Socket, Wait, send_with_fds};
use resource_bridge::{Buffer, Client, Error, Key, Reason, Request, Response};

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use conformance::gpu_socket::GpuSocket;
use conformance::wait::{LIMIT, wait_until};
use support::PROGRAM;
use support::drawing::*;

const WHOLE: Rect = Rect::from_size(64, 32);

/// A daemon whose guest shows a picture of 64x32, and where others can ask for it.
struct Rig {
    daemon: Daemon,
    front_end: FrontEnd,
    gpu: GpuSocket,
    directory: tempfile::TempDir,
}

impl Rig {
    fn new(names: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut arguments = vec!["--log-level".to_owned(), "debug".to_owned()];
        for name in names {
            arguments.push("--resource-bridge".to_owned());
            let path = directory.path().join(name);
            arguments.push(path.to_str().unwrap().to_owned());
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let daemon = Daemon::start_with(PROGRAM, &arguments);
        wait_until("the daemon to listen", || {
            daemon.log().contains("waiting for a front end")
        });
        let (mut front_end, mut gpu) = FrontEnd::running(&daemon);
        show(&mut front_end, &mut gpu, 64, 32);
        Self {
            daemon,
            front_end,
            gpu,
            directory,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The guest draws, and the display shows it.
    fn draw(&mut self, seed: u8) {
        self.front_end.write_image(0, &picture(WHOLE, seed));
        together(&mut self.front_end, &[transfer(WHOLE, 64), flush(WHOLE)]);
        assert_update(&self.gpu.message(), WHOLE, seed);
        self.gpu.settle();
    }
}

fn late() -> Instant {
    Instant::now() + LIMIT
}

fn client(path: &Path) -> Client {
    Client::connect(path, late()).unwrap()
}

fn raw_client(path: &Path) -> Socket<Request, Response> {
    Socket::connect(path, Wait::Until(late())).unwrap()
}

fn pixels(buffer: Buffer) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(buffer.size).unwrap()];
    let plane = buffer.planes.into_iter().next().unwrap();
    File::from(plane.fd)
        .read_exact_at(&mut bytes, u64::from(plane.offset))
        .unwrap();
    bytes
}

#[test]
fn a_resource_that_is_on_screen_can_be_had_over_each_socket() {
    let mut rig = Rig::new(&["one", "two"]);
    rig.draw(5);

    for name in ["one", "two"] {
        let mut client = client(&rig.path(name));
        let buffer = client.buffer(Key::Id(IMAGE.0), late()).unwrap();
        assert_eq!((buffer.width, buffer.height), (64, 32));
        assert_eq!(pixels(buffer), picture(WHOLE, 5));
        let unknown = client.buffer(Key::Id(99), late());
        assert!(matches!(
            unknown,
            Err(Error::Invalid(Reason::UnknownResource))
        ));
    }
    rig.draw(6);
}

#[test]
fn clients_that_do_harm_are_dropped_and_the_guest_goes_on() {
    let mut rig = Rig::new(&["bridge"]);
    let path = rig.path("bridge");
    let before = rig.daemon.open_descriptors();

    let whole = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0];
    for cut in 0..whole.len() {
        let mut half = raw_client(&path);
        send_with_fds(half.as_fd(), &[IoSlice::new(&whole[..cut])], &[]).unwrap();
        if cut > 0 {
            let end = half.recv(Wait::Until(late()));
            assert!(matches!(end, Err(msg_socket::Error::Closed)), "{end:?}");
        }
    }
    rig.draw(7);
    let mut deaf = raw_client(&path);
    let ask = Request::GetBuffer { resource: IMAGE.0 };
    while deaf.send(&ask, Wait::Until(late())).is_ok() {}
    drop(deaf);
    rig.draw(8);

    let mut good = client(&path);
    assert!(good.buffer(Key::Id(IMAGE.0), late()).is_ok());
    drop(good);
    // The picture's own file has come.
    wait_until("the clients' files to be closed", || {
        rig.daemon.open_descriptors() == before + 1
    });
}

#[test]
fn a_client_that_asks_all_the_time_slows_neither_the_guest_nor_another_client() {
    let mut rig = Rig::new(&["bridge"]);
    let path = rig.path("bridge");
    let flood = std::thread::spawn({
        let mut client = client(&path);
        move || {
            for _ in 0..100_000 {
                let missing = client.buffer(Key::Id(99), late());
                assert!(matches!(missing, Err(Error::Invalid(_))));
            }
        }
    });

    let mut other = client(&path);
    for seed in 10..20 {
        rig.draw(seed);
        let buffer = other.buffer(Key::Id(IMAGE.0), late()).unwrap();
        assert_eq!(pixels(buffer), picture(WHOLE, seed));
    }
    flood.join().unwrap();
}

#[test]
fn the_socket_file_goes_with_the_daemon() {
    let rig = Rig::new(&["bridge"]);
    let path = rig.path("bridge");
    assert!(path.exists());

    drop(rig.front_end);
    wait_until("the daemon to remove its socket", || !path.exists());
}

#[test]
fn a_path_that_is_taken_ends_the_daemon_with_a_line_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    File::create(&path).unwrap();

    let output = std::process::Command::new(PROGRAM)
        .args(["--renderer", "none", "--socket-path"])
        .arg(directory.path().join("socket"))
        .arg("--resource-bridge")
        .arg(&path)
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    let line = format!(
        "error: cannot let others ask for resources at {0}: caused by the socket fails: caused by {0} is taken",
        path.display()
    );
    assert!(errors.contains(&line), "{errors}");
}
