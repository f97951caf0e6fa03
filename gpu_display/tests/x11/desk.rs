//! A display, its server, and another client that looks at it and has hands.

use std::time::{Duration, Instant};

use gpu_buffer::Rect;
use gpu_display::{
    Display, Event, Output, Presented, Role, SurfaceId, SurfaceRequest, X11Config, X11Display,
};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt, ImageFormat, Window};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::common::{Source, output};
use crate::xvfb::Xvfb;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait for nothing to happen.
const QUIET: Duration = Duration::from_millis(60);

pub(crate) struct Desk {
    pub(crate) server: Option<Xvfb>,
    pub(crate) display: X11Display,
    /// The other client.
    pub(crate) eye: Option<RustConnection>,
    /// Events that were taken on the way.
    events: Vec<Event>,
}

/// A desk on a server without these extensions, or a line that says why not.
macro_rules! desk {
    ($($without:expr),*) => {{
        if !crate::xvfb::is_installed() {
            eprintln!("skipped: Xvfb is not installed");
            return;
        }
        crate::desk::Desk::new(crate::xvfb::Xvfb::start(&[$($without),*]))
    }};
}
pub(crate) use desk;

impl Desk {
    /// One output of 640x480.
    pub(crate) fn new(server: Xvfb) -> Self {
        Self::with_outputs(server, vec![output(640, 480)])
    }

    pub(crate) fn with_outputs(server: Xvfb, outputs: Vec<Output>) -> Self {
        let name = server.name();
        Self::at(&name, server, outputs)
    }

    pub(crate) fn at(name: &str, server: Xvfb, outputs: Vec<Output>) -> Self {
        let display = X11Display::new(X11Config {
            display: Some(name.to_owned()),
            title: "A guest \u{1f5a5}".to_owned(),
            class: "guest".to_owned(),
            outputs,
        });
        let eye = x11rb::connect(Some(name)).unwrap().0;
        let mut desk = Self {
            server: Some(server),
            display: display.unwrap(),
            eye: Some(eye),
            events: Vec::new(),
        };
        desk.run_until(|desk| desk.display.is_online());
        desk
    }

    /// Waits as an event loop does, until this holds.
    #[track_caller]
    pub(crate) fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "it does not happen");
            let due = self.display.deadline();
            let wait = due.map_or(20, |due| {
                let wait = due.saturating_duration_since(Instant::now());
                (wait.as_millis() as u16 + 1).min(20)
            });
            let poll = self.display.poll_fd().unwrap();
            let mut fds = [nix::poll::PollFd::new(
                poll.fd,
                nix::poll::PollFlags::POLLIN,
            )];
            nix::poll::poll(&mut fds, wait).unwrap();
            self.display.dispatch(Instant::now()).unwrap();
            self.events
                .extend(std::iter::from_fn(|| self.display.next_event()));
        }
    }

    /// Waits until all that was on its way has come.
    pub(crate) fn settle(&mut self) {
        let start = Instant::now();
        self.run_until(|_| start.elapsed() > QUIET);
    }

    /// The events that there were.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn eye(&self) -> &RustConnection {
        self.eye.as_ref().unwrap()
    }

    pub(crate) fn root(&self) -> Window {
        self.eye().setup().roots[0].root
    }

    /// A surface of this size, and its window at the server.
    pub(crate) fn surface(&mut self, output: u32, width: u32, height: u32) -> SurfaceId {
        let request = SurfaceRequest {
            role: Role::Scanout { output },
            width,
            height,
        };
        let surface = self.display.create_surface(&request).unwrap();
        self.run_until(|desk| !desk.windows().is_empty());
        surface
    }

    /// All windows on the screen.
    pub(crate) fn windows(&self) -> Vec<Window> {
        let tree = self.eye().query_tree(self.root()).unwrap().reply().unwrap();
        tree.children
    }

    /// The only window.
    pub(crate) fn window(&self) -> Window {
        let windows = self.windows();
        assert_eq!(windows.len(), 1, "windows");
        windows[0]
    }

    /// The size of the only window.
    pub(crate) fn window_size(&self) -> (u16, u16) {
        let geometry = self.eye().get_geometry(self.window()).unwrap().reply();
        let geometry = geometry.unwrap();
        (geometry.width, geometry.height)
    }

    /// Shows what changed, as soon as the server lets it, and waits until it has.
    #[track_caller]
    pub(crate) fn show(&mut self, surface: SurfaceId, source: &mut Source, damage: &[Rect]) {
        let crop = source.layout.bounds();
        self.run_until(|desk| {
            let presented = source.present(&mut desk.display, surface, crop, damage);
            presented.unwrap() == Presented::Taken
        });
        self.settle();
    }

    /// Shows all of it.
    #[track_caller]
    pub(crate) fn show_all(&mut self, surface: SurfaceId, source: &mut Source) {
        let whole = source.layout.bounds();
        self.show(surface, source, &[whole]);
    }

    /// The pixels of a part of a window: red, green and blue.
    pub(crate) fn pixels(&self, window: Window, part: Rect) -> Vec<[u8; 3]> {
        let image = self.eye().get_image(
            ImageFormat::Z_PIXMAP,
            window,
            part.x as i16,
            part.y as i16,
            part.width as u16,
            part.height as u16,
            !0,
        );
        let image = image.unwrap().reply().unwrap();
        image.data.chunks(4).map(|p| [p[2], p[1], p[0]]).collect()
    }

    /// Asserts the colour of every pixel of the only window's top left part of this size. On a busy
    /// machine it may take a moment until it has it.
    #[track_caller]
    pub(crate) fn assert_shows(
        &self,
        (width, height): (u32, u32),
        pixel: impl Fn(u32, u32) -> [u8; 4],
    ) {
        let start = Instant::now();
        loop {
            let pixels = self.pixels(self.window(), Rect::new(0, 0, width, height));
            let wrong = (0..).zip(pixels).find_map(|(index, seen)| {
                let (x, y) = (index % width, index / width);
                (seen != pixel(x, y)[..3]).then_some((x, y, seen))
            });
            let Some((x, y, seen)) = wrong else {
                return;
            };
            if start.elapsed() > Duration::from_secs(3) {
                assert_eq!(seen, pixel(x, y)[..3], "pixel {x},{y}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A hand does something: `xtest_fake_input`.
    pub(crate) fn fake(&self, kind: u8, detail: u8, x: i16, y: i16) {
        let fake = self
            .eye()
            .xtest_fake_input(kind, detail, 0, self.root(), x, y, 0);
        fake.unwrap().check().unwrap();
    }

    /// The mode that the only output prefers.
    pub(crate) fn mode(&self) -> (u32, u32) {
        let mode = self.display.outputs()[0].mode;
        (mode.width, mode.height)
    }
}
