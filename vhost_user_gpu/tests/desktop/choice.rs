//! Where the screens are shown when nobody says.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use conformance::daemon::{Running, command, connect};
use conformance::front_end::FrontEnd;
use conformance::guest::Guest;
use conformance::wait::wait_until;

use crate::screen::{SIZE, Seen, screens, show};
use crate::support::PROGRAM;
use crate::weston::Weston;
use crate::xvfb::Xvfb;

/// A daemon that is told nothing of displays, with these variables in its environment.
fn daemon(directory: &Path, environment: &[(&str, &str)]) -> (Running, FrontEnd) {
    let socket = directory.join("daemon");
    let log = File::create(directory.join("log")).unwrap();
    let mut command = command(PROGRAM);
    command
        .arg("--socket-path")
        .arg(&socket)
        .args(["--renderer", "none", "--scanout", "320x240", "--persistent"])
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("DISPLAY")
        .env("XDG_RUNTIME_DIR", directory)
        .envs(environment.iter().copied())
        .stderr(Stdio::from(log));
    let running = Running::start(&mut command);
    wait_until("the daemon's socket", || socket.exists());
    let mut front_end = FrontEnd::over(connect(&socket), Guest::default());
    front_end.realize();
    (running, front_end)
}

fn log(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("log")).unwrap()
}

/// The lines that say which display it is.
fn all_said(directory: &Path) -> Vec<String> {
    let log = log(directory);
    let lines = log.lines().filter_map(|line| line.split_once("display: "));
    lines.map(|(_, said)| said.to_owned()).collect()
}

/// The one line that does.
fn said(directory: &Path) -> String {
    let said = all_said(directory);
    assert_eq!(said.len(), 1, "{said:?}");
    said[0].clone()
}

#[test]
fn the_front_end_shows_them_if_it_gives_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let (_daemon, mut front_end) = daemon(directory.path(), &[("DISPLAY", ":12345")]);

    let mut gpu = front_end.start();
    gpu.settle();
    front_end.synchronize();

    let said = said(directory.path());
    assert_eq!(said, "the front end's, as it gives a display socket");
}

#[test]
fn else_the_desktop_of_the_environment_does() {
    let directory = tempfile::tempdir().unwrap();
    let Some(weston) = Weston::start(directory.path()) else {
        return;
    };
    let (_daemon, mut front_end) = daemon(directory.path(), &[("WAYLAND_DISPLAY", "weston")]);

    front_end.start_alone();
    assert_eq!(screens(&mut front_end), [(320, 240, true)]);
    show(&mut front_end, SIZE, 1);

    weston.wait_for_picture(SIZE, 1);
    assert_eq!(
        said(directory.path()),
        "Wayland, as the front end gives no display socket and $WAYLAND_DISPLAY is weston"
    );
}

#[test]
fn else_the_next_desktop_does() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let name = format!(":{}", server.number());
    let environment = [("WAYLAND_DISPLAY", "nowhere"), ("DISPLAY", &name)];
    let (_daemon, mut front_end) = daemon(directory.path(), &environment);

    front_end.start_alone();
    show(&mut front_end, SIZE, 1);

    server.wait_for_picture(SIZE, 1);
    let said = said(directory.path());
    assert!(said.starts_with("X11, as"), "{said}");
    assert!(said.contains("$WAYLAND_DISPLAY does not help"), "{said}");
    assert!(said.ends_with(&format!("$DISPLAY is {name}")), "{said}");
}

#[test]
fn else_nobody_does() {
    let directory = tempfile::tempdir().unwrap();
    let (_daemon, mut front_end) = daemon(directory.path(), &[]);

    front_end.start_alone();
    assert_eq!(screens(&mut front_end), [(320, 240, true)]);
    show(&mut front_end, SIZE, 1);

    assert_eq!(
        said(directory.path()),
        "none, as the front end gives no display socket and $WAYLAND_DISPLAY is not set and $DISPLAY is not set"
    );
}

#[test]
fn each_front_end_is_looked_at_anew() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = Xvfb::start(None) else {
        return;
    };
    let name = format!(":{}", server.number());
    let (_daemon, mut without) = daemon(directory.path(), &[("DISPLAY", &name)]);
    without.start_alone();
    show(&mut without, SIZE, 1);
    server.wait_for_picture(SIZE, 1);

    drop(without);
    wait_until("the window to go", || server.windows().is_empty());
    let stream = connect(&directory.path().join("daemon"));
    let mut with = FrontEnd::over(stream, Guest::default());
    with.realize();
    let mut gpu = with.start();
    gpu.settle();
    with.synchronize();

    let said = all_said(directory.path());
    assert!(
        said[0].starts_with("X11, as the front end gives no"),
        "{said:?}"
    );
    assert!(said[1].ends_with("0 bytes copied"), "{said:?}");
    assert_eq!(said[2], "the front end's, as it gives a display socket");
    assert_eq!(said.len(), 3, "{said:?}");
}
