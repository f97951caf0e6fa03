//! What the events of the X server change, and what outlives a connection to it.

use std::collections::BTreeMap;
use std::time::Instant;

use x11rb_protocol::protocol::xinput::XIEventMask;

use super::cursor::Cursor;
use super::extensions::Extension;
use super::link::Link;
use super::native::{Names, select_input};
use super::statistics::X11Statistics;
use super::window::Window;
use crate::desktop::{Modes, Size};
use crate::input::InputQueue;
use crate::news::News;
use crate::surfaces::{Configured, Surfaces};
use crate::{DisplayError, Frame, Output, Presented, Role, SurfaceId, SurfaceRequest};

/// The longest side of a picture: places in windows are counted in 15 bits.
const MAX_SIDE: u32 = 32_767;

/// All but the connection itself.
#[derive(Debug)]
pub(super) struct State {
    /// The time of this turn.
    pub(super) now: Instant,
    pub(super) names: Names,
    pub(super) surfaces: Surfaces,
    pub(super) modes: Modes,
    pub(super) news: News,
    pub(super) input: InputQueue,
    pub(super) statistics: X11Statistics,
    /// By number of the output.
    pub(super) windows: BTreeMap<u32, Window>,
    /// Those that have an image, the newest last.
    pub(super) cursors: BTreeMap<SurfaceId, Cursor>,
    /// Images that cursors have had.
    pub(super) images: u64,
    /// The output whose window has the keyboard.
    pub(super) focus: Option<u32>,
    /// The output whose window the pointer is in.
    pub(super) pointed_at: Option<u32>,
    /// While there is a connection.
    pub(super) link: Option<Link>,
}

impl State {
    pub(super) fn new(names: Names, outputs: Vec<Output>) -> Self {
        let modes = Modes::new(outputs);
        Self {
            now: Instant::now(),
            names,
            surfaces: Surfaces::new(modes.len(), MAX_SIDE),
            modes,
            news: News::default(),
            input: InputQueue::new(),
            statistics: X11Statistics::default(),
            windows: BTreeMap::new(),
            cursors: BTreeMap::new(),
            images: 0,
            focus: None,
            pointed_at: None,
            link: None,
        }
    }

    pub(super) fn is_online(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_online)
    }

    /// The server has told all: the windows can be made.
    pub(super) fn come_online(&mut self) {
        if let Some(link) = &mut self.link
            && let Some(server) = &link.server
            && server.has_input
            && let Some(opcode) = link.client.extensions.opcode(Extension::Input)
        {
            // Steps are told to nobody but the root window.
            let mask = XIEventMask::RAW_MOTION;
            select_input(&mut link.client, opcode, server.root, mask);
        }
        let outputs: Vec<u32> = self.windows.keys().copied().collect();
        for output in outputs {
            self.open(output);
            let window = self.windows.get_mut(&output);
            if let Some(lost) = window.and_then(Window::take_lost) {
                self.news.redraw(lost);
            }
        }
    }

    /// Makes an output's window at the server, if there is one.
    fn open(&mut self, output: u32) {
        let (Some(link), Some(window)) = (&mut self.link, self.windows.get_mut(&output)) else {
            return;
        };
        let Some(server) = link.server.as_ref().filter(|_| link.is_online) else {
            return;
        };
        let names = self.names.of_output(output, self.modes.len());
        window.open(&mut link.client, server, &names);
        self.refresh_cursor(output);
    }

    /// There is no server any more.
    pub(super) fn go_offline(&mut self) {
        for window in self.windows.values_mut() {
            window.close();
        }
        self.input.release_all();
        self.focus = None;
        self.pointed_at = None;
        self.link = None;
    }

    /// The output whose window this is.
    pub(super) fn output_of(&self, window: u32) -> Option<u32> {
        let is = |other: &Window| other.native.as_ref().is_some_and(|n| n.window == window);
        let found = self.windows.iter().find(|(_, other)| is(other));
        found.map(|(output, _)| *output)
    }

    pub(super) fn window_mut(&mut self, window: u32) -> Option<&mut Window> {
        let output = self.output_of(window)?;
        self.windows.get_mut(&output)
    }

    /// Makes a surface, and its output's window if there is none.
    pub(super) fn create_surface(
        &mut self,
        request: &SurfaceRequest,
    ) -> Result<SurfaceId, DisplayError> {
        let surface = self.surfaces.create(request)?;
        if let Role::Scanout { output } = request.role {
            let size = Size::new(request.width, request.height);
            let preferred = self.modes.preferred(output);
            let window = self
                .windows
                .entry(output)
                .or_insert_with(|| Window::new(output, size));
            let client = self.link.as_mut().map(|link| &mut link.client);
            window.resize_picture(client, size, preferred);
            window.put(surface);
            self.open(output);
            self.refresh_cursor(output);
        }
        Ok(surface)
    }

    pub(super) fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        let configured = self.surfaces.configure(surface, request)?;
        match request.role {
            Role::Cursor { .. } => self.cursor_changed(surface, configured),
            Role::Scanout { output } => {
                if configured == Configured::Resized
                    && let Some(window) = self.windows.get_mut(&output)
                {
                    let size = Size::new(request.width, request.height);
                    let client = self.link.as_mut().map(|link| &mut link.client);
                    window.resize_picture(client, size, self.modes.preferred(output));
                }
            }
        }
        Ok(())
    }

    pub(super) fn destroy_surface(&mut self, surface: SurfaceId) {
        self.news.forget(surface);
        let Some(request) = self.surfaces.destroy(surface) else {
            return;
        };
        self.forget_cursor(surface);
        if let Role::Scanout { output } = request.role
            && let Some(window) = self.windows.get_mut(&output)
        {
            window.vacate(Instant::now());
            self.refresh_cursor(output);
            self.close_if_unplugged(output);
        }
    }

    /// An output is another now.
    pub(super) fn set_output(&mut self, output: u32, changed: Output) -> Result<(), DisplayError> {
        let is_news = self.modes.set(output, changed);
        if is_news.ok_or(DisplayError::UnknownOutput { output })? {
            self.news.outputs_changed();
        }
        self.close_if_unplugged(output);
        Ok(())
    }

    /// Closes the window of an output without a monitor and a surface.
    fn close_if_unplugged(&mut self, output: u32) {
        let is_empty = |window: &Window| window.scanout.is_none();
        if self.modes.is_enabled(output) || !self.windows.get(&output).is_some_and(is_empty) {
            return;
        }
        let window = self.windows.remove(&output);
        if let (Some(native), Some(link)) = (window.and_then(|w| w.native), &mut self.link) {
            native.destroy(&mut link.client);
        }
    }

    /// Checks a frame.
    pub(super) fn check(&self, surface: SurfaceId, frame: &Frame<'_>) -> Result<(), DisplayError> {
        let request = self.surfaces.get(surface)?;
        if frame.pixels.is_dma_buf() && matches!(request.role, Role::Scanout { .. }) {
            return frame.check_shape(request);
        }
        frame.check(request)?;
        let format = frame.layout.format();
        match gpu_buffer::channel_order(format) {
            Some(_) => Ok(()),
            None => Err(gpu_buffer::Error::UnsupportedFormat { format }.into()),
        }
    }

    /// Shows a frame if there is a server that is ready for it.
    pub(super) fn present(
        &mut self,
        surface: SurfaceId,
        frame: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        let request = *self.surfaces.get(surface)?;
        self.check(surface, frame)?;
        let Role::Scanout { output } = request.role else {
            self.present_cursor(surface, &request, frame)?;
            return Ok(Presented::Taken);
        };
        let Some(window) = self.windows.get_mut(&output) else {
            return Err(DisplayError::UnknownSurface { surface });
        };
        match &mut self.link {
            Some(Link {
                client,
                server: Some(server),
                is_online: true,
                ..
            }) => window.present(client, server, frame, &mut self.statistics),
            _ => Ok(window.refuse()),
        }
    }

    /// The frame cannot go to the server now.
    pub(super) fn refuse(&mut self, surface: SurfaceId) -> Presented {
        if let Some(output) = self.surfaces.output_of(surface)
            && let Some(window) = self.windows.get_mut(&output)
        {
            return window.refuse();
        }
        Presented::Busy
    }

    /// An output's frame is shown.
    pub(super) fn frame_is_shown(&mut self, output: u32) {
        let refresh = usize::try_from(output)
            .ok()
            .and_then(|index| self.modes.outputs().get(index))
            .map_or(0, |output| output.mode.refresh_millihertz);
        if let Some(window) = self.windows.get_mut(&output) {
            window.frame_is_shown(refresh);
        }
        self.wake(output);
    }

    /// Has the frame presented that a window refused, if it would take it now.
    pub(super) fn wake(&mut self, output: u32) {
        if let Some(window) = self.windows.get_mut(&output)
            && let Some(surface) = window.take_ready()
        {
            self.news.ready(surface);
        }
    }

    /// Has all frames presented that were refused and would be taken now.
    pub(super) fn wake_all(&mut self) {
        let outputs: Vec<u32> = self.windows.keys().copied().collect();
        for output in outputs {
            self.wake(output);
        }
    }

    /// The way to the server is another one.
    pub(super) fn start_over(&mut self) {
        for window in self.windows.values_mut() {
            if let Some(surface) = window.start_over() {
                self.news.redraw(surface);
            }
        }
        self.wake_all();
    }

    /// When [`State::do_due_work`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let windows = self.windows.values().filter_map(Window::deadline);
        windows.chain(self.modes.deadline()).min()
    }

    /// Does what has waited long enough.
    pub(super) fn do_due_work(&mut self) {
        if self.modes.settle(self.now) {
            self.news.outputs_changed();
        }
        if let Some(link) = &mut self.link {
            for window in self.windows.values_mut() {
                window.do_due_work(&mut link.client, self.now);
            }
        }
        self.wake_all();
    }
}
