//! What the events of the compositor change, and what outlives a connection to it.

use std::collections::BTreeMap;
use std::time::Instant;

use wayland_client::protocol::wl_buffer::WlBuffer;

use super::cursor::Cursor;
use super::link::{Link, Stage};
use super::native::Names;
use super::shm::{BufferName, Owner};
use super::statistics::WaylandStatistics;
use super::surface::Told;
use super::window::Window;
use crate::desktop::{Modes, Size};
use crate::input::InputQueue;
use crate::news::News;
use crate::surfaces::{Configured, Surfaces};
use crate::{DisplayError, Frame, Output, PixelSource, Presented, Role, SurfaceId, SurfaceRequest};

/// All but the connection itself.
#[derive(Debug)]
pub(super) struct State {
    /// The time of this turn.
    pub(super) now: Instant,
    pub(super) names: Names,
    pub(super) surfaces: Surfaces,
    pub(super) modes: Modes,
    pub(super) news: News,
    pub(super) statistics: WaylandStatistics,
    /// By number of the output.
    pub(super) windows: BTreeMap<u32, Window>,
    /// Those that have an image, the newest last.
    pub(super) cursors: BTreeMap<SurfaceId, Cursor>,
    pub(super) input: InputQueue,
    /// What the compositor has said of each window.
    pub(super) told: BTreeMap<u32, Told>,
    /// While there is a connection.
    pub(super) link: Option<Link>,
}

impl State {
    pub(super) fn new(names: Names, outputs: Vec<Output>) -> Self {
        let modes = Modes::new(outputs);
        Self {
            now: Instant::now(),
            names,
            surfaces: Surfaces::new(modes.len(), u32::MAX),
            modes,
            news: News::default(),
            statistics: WaylandStatistics::default(),
            windows: BTreeMap::new(),
            cursors: BTreeMap::new(),
            input: InputQueue::new(),
            told: BTreeMap::new(),
            link: None,
        }
    }

    /// A state for events that come too late.
    pub(super) fn nobody() -> Self {
        let names = Names {
            title: String::new(),
            app_id: String::new(),
        };
        Self::new(names, Vec::new())
    }

    /// The compositor has told all that it has: the windows can be made.
    pub(super) fn come_online(&mut self) {
        let Some(link) = &self.link else {
            return;
        };
        for (output, window) in &mut self.windows {
            window.open(link, &self.names.of_output(*output, self.modes.len()));
            if let Some(lost) = window.take_lost() {
                self.news.redraw(lost);
            }
        }
    }

    /// There is no compositor any more.
    pub(super) fn go_offline(&mut self) {
        for cursor in self.cursors.values_mut() {
            cursor.close();
        }
        for window in self.windows.values_mut() {
            window.close();
        }
        self.input.release_all();
        self.told.clear();
        self.link = None;
    }

    pub(super) fn is_online(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.stage == Stage::Online)
    }

    /// Makes a surface, and its output's window if there is none.
    pub(super) fn create_surface(
        &mut self,
        request: &SurfaceRequest,
    ) -> Result<SurfaceId, DisplayError> {
        let surface = self.surfaces.create(request)?;
        if let Role::Scanout { output } = request.role {
            let preferred = self.modes.preferred(output);
            let size = Size::new(request.width, request.height);
            let window = self
                .windows
                .entry(output)
                .or_insert_with(|| Window::new(output, size));
            window.put(surface, size, preferred);
            if let Some(link) = &self.link
                && link.stage == Stage::Online
            {
                window.open(link, &self.names.of_output(output, self.modes.len()));
            }
        }
        Ok(surface)
    }

    pub(super) fn configure_surface(
        &mut self,
        surface: SurfaceId,
        request: &SurfaceRequest,
    ) -> Result<(), DisplayError> {
        let configured = self.surfaces.configure(surface, request)?;
        if let Role::Scanout { output } = request.role
            && configured == Configured::Resized
            && let Some(window) = self.windows.get_mut(&output)
        {
            let size = Size::new(request.width, request.height);
            window.resize_picture(size, self.modes.preferred(output));
        }
        self.cursor_changed(surface, configured);
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
            self.refresh_cursors(output);
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
        self.windows.remove(&output);
        self.told.remove(&output);
    }

    /// Checks a frame, whatever its pixels are in.
    pub(super) fn check(&self, surface: SurfaceId, frame: &Frame<'_>) -> Result<(), DisplayError> {
        let request = self.surfaces.get(surface)?;
        if let (PixelSource::DmaBuf(_), Role::Scanout { .. }) = (frame.pixels, request.role) {
            return frame.check_shape(request);
        }
        frame.check(request)?;
        let format = frame.layout.format();
        match gpu_buffer::channel_order(format) {
            Some(_) => Ok(()),
            None => Err(gpu_buffer::Error::UnsupportedFormat { format }.into()),
        }
    }

    /// Shows a frame if there is a compositor that is ready for it.
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
        let presented = match &mut self.link {
            Some(link) if link.stage == Stage::Online => {
                window.present(link, frame, &mut self.statistics)?
            }
            _ => window.refuse(),
        };
        // They come with the first picture.
        self.refresh_cursors(output);
        Ok(presented)
    }

    /// The frame cannot go to the compositor now.
    pub(super) fn refuse(&mut self, surface: SurfaceId) -> Presented {
        if let Some(output) = self.surfaces.output_of(surface)
            && let Some(window) = self.windows.get_mut(&output)
        {
            return window.refuse();
        }
        Presented::Busy
    }

    /// A window's frame was shown.
    pub(super) fn frame_is_shown(&mut self, output: u32) {
        if let Some(window) = self.windows.get_mut(&output) {
            window.frame_is_shown();
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
        for window in self.windows.values_mut() {
            if let Some(surface) = window.take_ready() {
                self.news.ready(surface);
            }
        }
    }

    /// The compositor has done with a buffer.
    pub(super) fn release(&mut self, proxy: &WlBuffer, name: BufferName) {
        match name.owner {
            Owner::Window(output) => {
                if let Some(window) = self.windows.get_mut(&output) {
                    window.content.release(proxy, name.number);
                }
                self.wake(output);
            }
            Owner::Cursor(surface, place) => self.release_cursor(surface, place, name),
            // An imported one: its name was not known when it was made.
            Owner::Nobody => {
                for window in self.windows.values_mut() {
                    window.content.imports.release(proxy);
                }
                self.wake_all();
            }
        }
    }

    /// A global object is gone.
    pub(super) fn remove_global(&mut self, name: u32) {
        if let Some(link) = &mut self.link {
            link.monitors.retain(|monitor| monitor.name != name);
        }
        for told in self.told.values_mut() {
            told.forget_monitor(name);
        }
        self.lose_seat(name);
        self.monitors_changed();
    }

    /// When [`State::do_due_work`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let blanks = self.windows.values().filter_map(Window::deadline);
        blanks.chain(self.modes.deadline()).min()
    }

    /// Does what has waited long enough.
    pub(super) fn do_due_work(&mut self) {
        if self.modes.settle(self.now) {
            self.news.outputs_changed();
        }
        if let Some(link) = &mut self.link {
            for window in self.windows.values_mut() {
                window.blank_if_due(link, self.now);
                window.content.prune();
            }
        }
    }
}
