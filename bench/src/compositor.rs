//! A Wayland compositor that does nothing but take pictures: a thread of this process that gives buffers and frame
//! callbacks back, and notes when a picture came. It looks at no pixel, and checks no rule.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tempfile::TempDir;
use wayland_protocols::xdg::shell::server::xdg_surface::{self, XdgSurface};
use wayland_protocols::xdg::shell::server::xdg_toplevel::{self, XdgToplevel};
use wayland_protocols::xdg::shell::server::xdg_wm_base::{self, XdgWmBase};
use wayland_server::backend::{ClientData, ClientId, DisconnectReason, ObjectId};
use wayland_server::protocol::wl_buffer::{self, WlBuffer};
use wayland_server::protocol::wl_callback::{self, WlCallback};
use wayland_server::protocol::wl_compositor::{self, WlCompositor};
use wayland_server::protocol::wl_region::{self, WlRegion};
use wayland_server::protocol::wl_shm::{self, WlShm};
use wayland_server::protocol::wl_shm_pool::{self, WlShmPool};
use wayland_server::protocol::wl_surface::{self, WlSurface};
use wayland_server::{
    Client, DataInit, Dispatch, Display, DisplayHandle, GlobalDispatch, ListeningSocket, New,
    Resource,
};

/// How long a picture may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two pictures of a monitor.
const FRAME: Duration = Duration::from_micros(16_667);

/// When a compositor asks for the next picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frames {
    /// As soon as it has one.
    AtOnce,
    /// Sixty times a second.
    AsAMonitor,
}

/// When it gives a buffer back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Releases {
    /// As soon as it has it, as one that uploads it.
    AtOnce,
    /// When another is shown in its place, as one that draws from it.
    OnReplace,
}

/// What a compositor is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) frames: Frames,
    pub(crate) releases: Releases,
}

/// It answers everything at once.
pub(crate) const IDLE: Manners = Manners {
    frames: Frames::AtOnce,
    releases: Releases::AtOnce,
};

/// The compositor. Its thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Compositor {
    pictures: Arc<Pictures>,
    end: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
    directory: TempDir,
}

#[derive(Debug, Default)]
struct Pictures {
    came: Mutex<Came>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Came {
    count: u64,
    last: Option<Instant>,
}

impl Compositor {
    /// Listens at a socket of its own.
    pub(crate) fn start(manners: Manners) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = ListeningSocket::bind_absolute(socket_in(directory.path())).unwrap();
        let pictures = Arc::new(Pictures::default());
        let end = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC).unwrap());
        let world = World {
            manners,
            pictures: pictures.clone(),
            surfaces: HashMap::new(),
            callbacks: Vec::new(),
            serial: 0,
        };
        let ending = end.clone();
        let thread = std::thread::spawn(move || serve(world, &socket, &ending));
        Self {
            pictures,
            end,
            thread: Some(thread),
            directory,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(self.directory.path())
    }

    /// Pictures that have come.
    pub(crate) fn count(&self) -> u64 {
        self.pictures.came.lock().unwrap().count
    }

    /// Waits until so many have come, and says when the last one did.
    pub(crate) fn wait_for(&self, count: u64) -> Instant {
        let came = self.pictures.came.lock().unwrap();
        let (came, _) = self
            .pictures
            .more
            .wait_timeout_while(came, PATIENCE, |came| came.count < count)
            .unwrap();
        assert!(came.count >= count, "no picture in ten seconds");
        came.last.unwrap()
    }
}

impl Drop for Compositor {
    fn drop(&mut self) {
        let _ = self.end.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("wayland")
}

fn serve(mut world: World, socket: &ListeningSocket, end: &EventFd) {
    let mut display = Display::<World>::new().unwrap();
    let handle = display.handle();
    handle.create_global::<World, WlCompositor, ()>(6, ());
    handle.create_global::<World, WlShm, ()>(1, ());
    handle.create_global::<World, XdgWmBase, ()>(6, ());
    let poller: OwnedFd = display.backend().poll_fd().try_clone_to_owned().unwrap();
    let mut next_frame = Instant::now();
    loop {
        let timeout = match world.callbacks.is_empty() {
            true => PollTimeout::NONE,
            false => until(next_frame),
        };
        let mut fds = [end.as_fd(), socket.as_fd(), poller.as_fd()]
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        poll(&mut fds, timeout).unwrap();
        if fds[0].any().unwrap_or(true) {
            return;
        }
        while let Some(stream) = socket.accept().unwrap() {
            let client = display.handle().insert_client(stream, Arc::new(Anyone));
            client.unwrap();
        }
        display.dispatch_clients(&mut world).unwrap();
        let now = Instant::now();
        if world.manners.frames == Frames::AtOnce || now >= next_frame {
            for callback in world.callbacks.drain(..) {
                callback.done(0);
            }
            next_frame = now + FRAME;
        }
        display.flush_clients().unwrap();
    }
}

fn until(due: Instant) -> PollTimeout {
    let left = due.saturating_duration_since(Instant::now());
    // Rounded up, so that it is due then.
    PollTimeout::from(left.as_millis() as u16 + 1)
}

#[derive(Debug)]
struct Anyone;

impl ClientData for Anyone {
    fn initialized(&self, _: ClientId) {}
    fn disconnected(&self, _: ClientId, _: DisconnectReason) {}
}

/// All that the compositor knows.
#[derive(Debug)]
struct World {
    manners: Manners,
    pictures: Arc<Pictures>,
    surfaces: HashMap<ObjectId, Surface>,
    callbacks: Vec<WlCallback>,
    serial: u32,
}

/// A surface: what it shows, and what comes with the next commit.
#[derive(Debug, Default)]
struct Surface {
    shown: Option<WlBuffer>,
    attached: Option<WlBuffer>,
    callbacks: Vec<WlCallback>,
}

impl World {
    fn commit(&mut self, surface: &WlSurface) {
        let surface = self.surfaces.entry(surface.id()).or_default();
        self.callbacks.append(&mut surface.callbacks);
        let Some(buffer) = surface.attached.take() else {
            return;
        };
        {
            let mut came = self.pictures.came.lock().unwrap();
            came.count += 1;
            came.last = Some(Instant::now());
        }
        self.pictures.more.notify_all();
        match self.manners.releases {
            Releases::AtOnce => buffer.release(),
            Releases::OnReplace => {
                let old = surface.shown.replace(buffer.clone());
                if let Some(old) = old.filter(|old| *old != buffer && old.is_alive()) {
                    old.release();
                }
            }
        }
    }
}

/// Globals of which a client may bind any number, and objects whose requests change nothing.
macro_rules! nothing_to_do {
    (globals: $($global:ty),*; objects: $($object:ty, $request:ty);*) => {
        $(impl GlobalDispatch<$global, ()> for World {
            fn bind(
                _: &mut Self,
                _: &DisplayHandle,
                _: &Client,
                global: New<$global>,
                (): &(),
                init: &mut DataInit<'_, Self>,
            ) {
                init.init(global, ());
            }
        })*
        $(impl Dispatch<$object, ()> for World {
            fn request(
                _: &mut Self,
                _: &Client,
                _: &$object,
                _: $request,
                (): &(),
                _: &DisplayHandle,
                _: &mut DataInit<'_, Self>,
            ) {
            }
        })*
    };
}

nothing_to_do! {
    globals: WlCompositor, WlShm, XdgWmBase;
    objects: WlRegion, wl_region::Request;
        WlBuffer, wl_buffer::Request;
        WlCallback, wl_callback::Request;
        XdgToplevel, xdg_toplevel::Request
}

impl Dispatch<WlCompositor, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlCompositor,
        request: wl_compositor::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            wl_compositor::Request::CreateSurface { id } => drop(init.init(id, ())),
            wl_compositor::Request::CreateRegion { id } => drop(init.init(id, ())),
            _ => {}
        }
    }
}

impl Dispatch<WlSurface, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        surface: &WlSurface,
        request: wl_surface::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let pending = world.surfaces.entry(surface.id()).or_default();
        match request {
            wl_surface::Request::Attach { buffer, .. } => pending.attached = buffer,
            wl_surface::Request::Frame { callback } => {
                pending.callbacks.push(init.init(callback, ()));
            }
            wl_surface::Request::Commit => world.commit(surface),
            _ => {}
        }
    }

    fn destroyed(world: &mut Self, _: ClientId, surface: &WlSurface, (): &()) {
        world.surfaces.remove(&surface.id());
    }
}

impl Dispatch<WlShm, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlShm,
        request: wl_shm::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_shm::Request::CreatePool { id, .. } = request {
            init.init(id, ());
        }
    }
}

impl Dispatch<WlShmPool, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlShmPool,
        request: wl_shm_pool::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_shm_pool::Request::CreateBuffer { id, .. } = request {
            init.init(id, ());
        }
    }
}

impl Dispatch<XdgWmBase, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &XdgWmBase,
        request: xdg_wm_base::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let xdg_wm_base::Request::GetXdgSurface { id, .. } = request {
            init.init(id, ());
        }
    }
}

impl Dispatch<XdgSurface, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        window: &XdgSurface,
        request: xdg_surface::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let xdg_surface::Request::GetToplevel { id } = request {
            let toplevel = init.init(id, ());
            // A size of its own choice. Clients may be told before they commit.
            toplevel.configure(0, 0, Vec::new());
            world.serial += 1;
            window.configure(world.serial);
        }
    }
}
