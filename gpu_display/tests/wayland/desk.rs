//! A display and its compositor, which take turns.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use gpu_buffer::Rect;
use gpu_display::{
    Display, Event, Output, Presented, Role, SurfaceId, SurfaceRequest, WaylandConfig,
    WaylandDisplay,
};
use tempfile::TempDir;

use crate::common::{Source, output};
use crate::compositor::{Compositor, Offer};

/// Turns after which nothing is left to say.
const TURNS: usize = 8;

pub(crate) struct Desk {
    pub(crate) compositor: Option<Compositor>,
    pub(crate) display: WaylandDisplay,
    /// The time that the display is told.
    pub(crate) now: Instant,
    socket: PathBuf,
    _directory: TempDir,
}

impl Desk {
    /// One output of 640x480 on a compositor with this.
    pub(crate) fn new(offer: Offer) -> Self {
        Self::with_outputs(offer, vec![output(640, 480)])
    }

    pub(crate) fn with_outputs(offer: Offer, outputs: Vec<Output>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("wayland");
        let compositor = Compositor::new(&socket, offer);
        let display = WaylandDisplay::new(WaylandConfig {
            socket: Some(socket.clone()),
            title: "A guest".to_owned(),
            app_id: "org.example.Guest".to_owned(),
            outputs,
        });
        let mut desk = Self {
            compositor: Some(compositor),
            display: display.unwrap(),
            now: Instant::now(),
            socket,
            _directory: directory,
        };
        desk.settle();
        desk
    }

    /// The compositor, which must be there.
    pub(crate) fn compositor(&mut self) -> &mut Compositor {
        self.compositor.as_mut().unwrap()
    }

    /// One turn of each.
    pub(crate) fn turn(&mut self) {
        self.display.dispatch(self.now).unwrap();
        if let Some(compositor) = &mut self.compositor {
            compositor.turn();
        }
    }

    /// As many turns as it takes.
    pub(crate) fn settle(&mut self) {
        for _ in 0..TURNS {
            self.turn();
        }
        self.display.dispatch(self.now).unwrap();
    }

    /// The time passes, and then all happens that is due.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.settle();
    }

    /// The compositor dies, and its clients see it.
    pub(crate) fn kill_compositor(&mut self) {
        self.compositor = None;
        self.settle();
    }

    /// Another compositor starts at the same socket.
    pub(crate) fn start_compositor(&mut self, offer: Offer) {
        self.compositor = Some(Compositor::new(&self.socket, offer));
    }

    /// A surface of this size on an output.
    pub(crate) fn surface(&mut self, output: u32, width: u32, height: u32) -> SurfaceId {
        let role = Role::Scanout { output };
        let request = SurfaceRequest {
            role,
            width,
            height,
        };
        let surface = self.display.create_surface(&request).unwrap();
        self.settle();
        surface
    }

    /// Shows what changed, as soon as the compositor lets it.
    #[track_caller]
    pub(crate) fn show(&mut self, surface: SurfaceId, source: &mut Source, damage: &[Rect]) {
        let crop = source.layout.bounds();
        for _ in 0..4 {
            match source.present(&mut self.display, surface, crop, damage) {
                Ok(Presented::Taken) => {
                    self.settle();
                    return;
                }
                Ok(Presented::Busy) => self.settle(),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the display is busy");
    }

    /// Shows all of it.
    #[track_caller]
    pub(crate) fn show_all(&mut self, surface: SurfaceId, source: &mut Source) {
        let whole = source.layout.bounds();
        self.show(surface, source, &[whole]);
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.display.next_event()).collect()
    }

    /// The mode that the only output prefers.
    pub(crate) fn mode(&self) -> (u32, u32) {
        let mode = self.display.outputs()[0].mode;
        (mode.width, mode.height)
    }
}

impl Drop for Desk {
    /// Whatever a test is about, no rule of the protocol was broken.
    fn drop(&mut self) {
        if let Some(compositor) = &self.compositor
            && !std::thread::panicking()
        {
            assert_eq!(compositor.world.violations, [""; 0]);
        }
    }
}
