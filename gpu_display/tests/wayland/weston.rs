//! Weston, headless: a compositor that is not ours, and its screenshots.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gpu_buffer::{Allocator, BufferRequest, DrmFourcc, Layout, MemfdAllocator, Rect};
use gpu_display::{
    Display, Event, Frame, PixelSource, Presented, Role, SurfaceId, SurfaceRequest, WaylandConfig,
    WaylandDisplay,
};
use tempfile::TempDir;
use vm_memory::Bytes;

use crate::common::{BLUE, RED, Source, example, keep_picture, output};

/// Of the window.
const SIZE: (u32, u32) = (320, 240);

/// Nothing but the desktop's colour around the window.
const CONFIG: &str = "[core]
idle-time=0

[shell]
panel-position=none
background-color=0xff40506a
background-type=tile
animation=none
startup-animation=none
close-animation=none
";

const DESKTOP: [u8; 3] = [0x40, 0x50, 0x6a];

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    is_there("weston") && is_there("weston-screenshooter")
}

/// Weston, with a plain desktop.
struct Weston {
    _child: Running,
    directory: PathBuf,
}

impl Weston {
    fn start(directory: &Path) -> Self {
        let config = directory.join("weston.ini");
        fs::write(&config, CONFIG).unwrap();
        let child = Command::new("weston")
            .args(["--backend=headless-backend.so", "--use-pixman", "--debug"])
            .args(["--width=800", "--height=600", "--socket=weston"])
            .arg(format!("--config={}", config.display()))
            .env("XDG_RUNTIME_DIR", directory)
            .env_remove("WAYLAND_DISPLAY")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let weston = Self {
            _child: Running(child.unwrap()),
            directory: directory.to_owned(),
        };
        let start = Instant::now();
        while std::os::unix::net::UnixStream::connect(weston.socket()).is_err() {
            assert!(start.elapsed() < PATIENCE, "weston does not start");
            thread::sleep(Duration::from_millis(20));
        }
        while weston.screenshot().1.iter().any(|pixel| *pixel != DESKTOP) {
            assert!(start.elapsed() < PATIENCE, "weston has no desktop");
        }
        weston
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("weston")
    }

    /// What a monitor would show: its width, and red, green, blue.
    fn screenshot(&self) -> (usize, Vec<[u8; 3]>) {
        let shots = tempfile::tempdir_in(&self.directory).unwrap();
        let status = Command::new("weston-screenshooter")
            .current_dir(shots.path())
            .env("XDG_RUNTIME_DIR", &self.directory)
            .env("WAYLAND_DISPLAY", "weston")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        let file = fs::read_dir(shots.path()).unwrap().next().unwrap();
        let file = BufReader::new(File::open(file.unwrap().path()).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let samples = info.color_type.samples();
        let pixels = bytes[..info.buffer_size()].chunks(samples);
        let pixels = pixels.map(|pixel| [pixel[0], pixel[1], pixel[2]]);
        (info.width as usize, pixels.collect())
    }

    /// What it would show of the window, wherever that is.
    fn window(&self) -> Vec<[u8; 3]> {
        let (width, screen) = self.screenshot();
        let rows = screen.chunks(width);
        let in_row = |row: &[[u8; 3]]| row.iter().position(|pixel| *pixel != DESKTOP);
        let left = rows.clone().filter_map(in_row).min().expect("no window");
        let right = (left + SIZE.0 as usize).min(width);
        let rows = rows.filter(|row| in_row(row).is_some());
        let window: Vec<_> = rows.flat_map(|row| &row[left..right]).copied().collect();
        assert_eq!(window.len() as u32, SIZE.0 * SIZE.1, "the window's size");
        window
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits as an event loop does, until this holds.
#[track_caller]
fn run_until(display: &mut WaylandDisplay, mut done: impl FnMut(&mut WaylandDisplay) -> bool) {
    let start = Instant::now();
    while !done(display) {
        assert!(start.elapsed() < PATIENCE, "it does not happen");
        let poll = display.poll_fd().unwrap();
        let mut fds = [nix::poll::PollFd::new(
            poll.fd,
            nix::poll::PollFlags::POLLIN,
        )];
        nix::poll::poll(&mut fds, 20_u16).unwrap();
        display.dispatch(Instant::now()).unwrap();
    }
}

fn display(weston: &Weston) -> (WaylandDisplay, SurfaceId) {
    let mut display = WaylandDisplay::new(WaylandConfig {
        socket: Some(weston.socket()),
        title: "test".to_owned(),
        app_id: "test".to_owned(),
        outputs: vec![output(SIZE.0, SIZE.1)],
    })
    .unwrap();
    let request = SurfaceRequest {
        role: Role::Scanout { output: 0 },
        width: SIZE.0,
        height: SIZE.1,
    };
    let surface = display.create_surface(&request).unwrap();
    (display, surface)
}

/// Shows a frame, and waits until Weston has.
fn show(display: &mut WaylandDisplay, surface: SurfaceId, source: &mut Source, damage: Rect) {
    let crop = source.layout.bounds();
    run_until(display, |display| {
        let presented = source.present(display, surface, crop, &[damage]);
        presented.unwrap() == Presented::Taken
    });
    wait_until_shown(display);
}

/// Two of Weston's frames later.
fn wait_until_shown(display: &mut WaylandDisplay) {
    let start = Instant::now();
    run_until(display, |_| start.elapsed() > Duration::from_millis(200));
}

#[track_caller]
fn assert_screen(weston: &Weston, pixel: impl Fn(u32, u32) -> [u8; 4]) {
    for (index, seen) in (0..).zip(weston.window()) {
        let (x, y) = (index % SIZE.0, index / SIZE.0);
        assert_eq!(seen, pixel(x, y)[..3], "pixel {x},{y}");
    }
}

#[test]
fn weston_shows_every_pixel_and_again_after_it_was_killed() {
    if !is_installed() {
        eprintln!("skipped: weston is not installed");
        return;
    }
    let directory: TempDir = tempfile::tempdir().unwrap();
    let weston = Weston::start(directory.path());
    let (mut display, surface) = display(&weston);
    let gradient = |x: u32, y: u32| [x as u8, y as u8, (x + y) as u8, 7];
    let mut source = Source::new(SIZE.0, SIZE.1, gradient);
    let whole = source.layout.bounds();

    show(&mut display, surface, &mut source, whole);
    assert_screen(&weston, gradient);

    let part = Rect::new(100, 50, 30, 20);
    let inside = |x: u32, y: u32| (100..130).contains(&x) && (50..70).contains(&y);
    let marked = |x: u32, y: u32| if inside(x, y) { RED } else { gradient(x, y) };
    source = Source::new(SIZE.0, SIZE.1, marked);
    show(&mut display, surface, &mut source, part);
    assert_screen(&weston, marked);

    drop(weston);
    run_until(&mut display, |display| !display.is_online());
    let weston = Weston::start(directory.path());
    let start = Instant::now();
    run_until(&mut display, |display| {
        let mut events = std::iter::from_fn(|| display.next_event());
        events.any(|event| event == Event::Redraw { surface })
    });
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    show(&mut display, surface, &mut source, whole);
    assert_screen(&weston, marked);
}

#[test]
fn weston_shows_the_gradient_as_it_moves() {
    if !is_installed() {
        eprintln!("skipped: weston is not installed");
        return;
    }
    let directory: TempDir = tempfile::tempdir().unwrap();
    let weston = Weston::start(directory.path());
    let Some(mut gradient) = example("gradient") else {
        return;
    };
    let place = format!("wayland={}", weston.socket().display());
    let gradient = gradient.args([&place, "60"]).stdout(Stdio::null()).spawn();
    let mut gradient = Running(gradient.unwrap());

    let start = Instant::now();
    let mut seen = Vec::new();
    // Two moments of a window, of whose 640x480 pixels some may have the desktop's colour.
    while seen.len() < 2 {
        assert!(start.elapsed() < PATIENCE, "the gradient is not seen");
        let (width, screen) = weston.screenshot();
        let inside = screen.iter().filter(|pixel| **pixel != DESKTOP).count();
        if inside > 640 * 480 - 100 && !seen.contains(&screen) {
            keep_picture("wayland.png", width, &screen);
            seen.push(screen);
        }
    }
    assert!(gradient.0.try_wait().unwrap().is_none(), "it ended");
}

#[test]
fn weston_reads_pictures_where_they_are_drawn() {
    if !is_installed() {
        eprintln!("skipped: weston is not installed");
        return;
    }
    let directory: TempDir = tempfile::tempdir().unwrap();
    let weston = Weston::start(directory.path());
    let (mut display, surface) = display(&weston);
    let layout = Layout::packed(SIZE.0, SIZE.1, DrmFourcc::Xrgb8888).unwrap();
    let buffer = |pixel: [u8; 4]| {
        let buffer = MemfdAllocator.allocate(&BufferRequest { layout }).unwrap();
        // The screenshooter takes the fourth byte for alpha.
        let bytes = [pixel[2], pixel[1], pixel[0], 255].repeat(320 * 240);
        buffer.memory().write_slice(&bytes, 0).unwrap();
        Arc::new(buffer)
    };

    for (buffer, colour) in [(buffer(RED), RED), (buffer(BLUE), BLUE)] {
        run_until(&mut display, |display| {
            let frame = Frame {
                pixels: PixelSource::Buffer(&buffer),
                layout,
                crop: layout.bounds(),
                damage: &[layout.bounds()],
            };
            display.present(surface, &frame).unwrap() == Presented::Taken
        });
        wait_until_shown(&mut display);
        assert_screen(&weston, |_, _| colour);
    }

    let statistics = display.statistics();
    assert_eq!((statistics.copied_bytes, statistics.shared_frames), (0, 2));
    // Its headless monitor has 60 hertz.
    run_until(&mut display, |display| {
        display.statistics().presented_frames > 0
    });
    let shown = display.presentation(0).unwrap();
    // CLOCK_MONOTONIC, or CLOCK_MONOTONIC_RAW.
    assert!(matches!(shown.clock, Some(1 | 4)), "{shown:?}");
    let refresh = shown.refresh.unwrap().as_micros();
    assert!((16_600..16_700).contains(&refresh), "{refresh}");
    assert!(shown.time > Duration::ZERO);
}
