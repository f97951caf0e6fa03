//! A small compositor in this process, that can be made to misbehave. It shows what a client may
//! expect of any: only damaged pixels are looked at, and every rule that is broken is noted.

mod dma_buf;
mod extras;
mod overlay;
mod picture;
mod presentation;
mod seat;
mod shell;
mod shm;
mod surface;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use wayland_protocols::wp::fractional_scale::v1::server::wp_fractional_scale_manager_v1::WpFractionalScaleManagerV1;
use wayland_protocols::wp::fractional_scale::v1::server::wp_fractional_scale_v1::WpFractionalScaleV1;
use wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_buffer_params_v1::ZwpLinuxBufferParamsV1;
use wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use wayland_protocols::wp::presentation_time::server::wp_presentation::WpPresentation;
use wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::WpPresentationFeedback;
use wayland_protocols::wp::relative_pointer::zv1::server::zwp_relative_pointer_manager_v1::ZwpRelativePointerManagerV1;
use wayland_protocols::wp::viewporter::server::wp_viewporter::WpViewporter;
use wayland_protocols::xdg::decoration::zv1::server::zxdg_decoration_manager_v1::ZxdgDecorationManagerV1;
use wayland_protocols::xdg::shell::server::xdg_wm_base::XdgWmBase;
use wayland_server::backend::{ClientData, ClientId, DisconnectReason, GlobalId};
use wayland_server::protocol::wl_buffer::WlBuffer;
use wayland_server::protocol::wl_callback::WlCallback;
use wayland_server::protocol::wl_compositor::WlCompositor;
use wayland_server::protocol::wl_output::WlOutput;
use wayland_server::protocol::wl_seat::WlSeat;
use wayland_server::protocol::wl_shm::WlShm;
use wayland_server::protocol::wl_subcompositor::WlSubcompositor;
use wayland_server::{Client, Display, DisplayHandle, ListeningSocket, Resource};

pub(crate) use dma_buf::{DmaBufOffer, DmaBuffer, Import, Table};
pub(crate) use picture::Picture;
pub(crate) use presentation::{CLOCK, Shown};
pub(crate) use seat::{Inputs, PointerCursor};
pub(crate) use shell::{FULLSCREEN, MAXIMIZED, Window};
pub(crate) use surface::Surface;

/// A place or a size.
pub(crate) type Pair = (i32, i32);

/// What the compositor has; `None` and an empty list are nothing.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) shell: Option<u32>,
    pub(crate) viewporter: Option<u32>,
    pub(crate) fractional: Option<u32>,
    pub(crate) decoration: Option<u32>,
    pub(crate) dma_buf: Option<DmaBufOffer>,
    /// Seats, each with keyboard, pointer and touchscreen.
    pub(crate) seats: Vec<u32>,
    pub(crate) relative_pointer: Option<u32>,
    pub(crate) presentation: Option<u32>,
    /// The scales of its monitors.
    pub(crate) monitors: Vec<i32>,
    /// wl_shm formats besides the two that are always there.
    pub(crate) formats: Vec<u32>,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            shell: Some(6),
            viewporter: Some(1),
            fractional: None,
            decoration: Some(1),
            dma_buf: None,
            seats: Vec::new(),
            relative_pointer: Some(1),
            presentation: None,
            monitors: Vec::new(),
            formats: Vec::new(),
        }
    }
}

/// When frame callbacks are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frames {
    EveryTurn,
    Never,
}

/// When buffers are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Releases {
    /// When another is shown in their place, as compositors do that draw from them.
    OnReplace,
    /// At once, as compositors do that upload them.
    AtOnce,
    /// At once, and again.
    Twice,
    Never,
}

/// All that the compositor knows.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) offer: Offer,
    pub(crate) frames: Frames,
    pub(crate) releases: Releases,
    /// Sizes of the windows that are made from now on.
    pub(crate) first_size: (i32, i32),
    /// States of the windows that are made from now on.
    pub(crate) first_states: Vec<u32>,
    pub(crate) surfaces: Vec<Surface>,
    pub(crate) windows: Vec<Window>,
    pub(crate) buffers: Vec<WlBuffer>,
    pub(crate) outputs: Vec<WlOutput>,
    monitors: Vec<GlobalId>,
    pub(crate) fractional: Option<WpFractionalScaleV1>,
    pub(crate) input: Inputs,
    /// Rules that the client broke.
    pub(crate) violations: Vec<String>,
    pub(crate) clients: Vec<Client>,
    /// wl_shm pools that were made.
    pub(crate) pools: u32,
    /// What becomes of dma-bufs.
    pub(crate) import: Import,
    /// How many dma-bufs were offered.
    pub(crate) offered: u32,
    /// Those that were taken.
    pub(crate) imported: Vec<DmaBuffer>,
    pondered: Vec<(ZwpLinuxBufferParamsV1, DmaBuffer)>,
    callbacks: Vec<WlCallback>,
    /// Frames of which the client wants to know when they are shown.
    pub(crate) feedbacks: Vec<WpPresentationFeedback>,
    serial: u32,
}

impl World {
    fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub(crate) fn next_serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    /// The windows that were not closed.
    pub(crate) fn open_windows(&self) -> Vec<&Window> {
        self.windows.iter().filter(|window| window.open).collect()
    }

    /// The only window.
    pub(crate) fn window(&self) -> &Window {
        let windows = self.open_windows();
        assert_eq!(windows.len(), 1, "windows");
        windows[0]
    }

    /// The surface of the only window.
    pub(crate) fn surface(&self) -> &Surface {
        &self.surfaces[self.window().surface]
    }

    /// What the only window shows, in its buffer's pixels.
    pub(crate) fn screen(&self) -> &Picture {
        self.surface()
            .screen
            .as_ref()
            .expect("the window shows nothing")
    }
}

#[derive(Debug)]
struct Anyone;

impl ClientData for Anyone {
    fn initialized(&self, _: ClientId) {}
    fn disconnected(&self, _: ClientId, _: DisconnectReason) {}
}

/// The compositor and its socket.
#[derive(Debug)]
pub(crate) struct Compositor {
    display: Display<World>,
    socket: ListeningSocket,
    pub(crate) world: World,
}

impl Compositor {
    /// Listens at `path`.
    pub(crate) fn new(path: &Path, offer: Offer) -> Self {
        let display = Display::<World>::new().unwrap();
        let handle = display.handle();
        handle.create_global::<World, WlCompositor, ()>(6, ());
        handle.create_global::<World, WlSubcompositor, ()>(1, ());
        handle.create_global::<World, WlShm, ()>(1, ());
        if let Some(version) = offer.shell {
            handle.create_global::<World, XdgWmBase, ()>(version, ());
        }
        if let Some(version) = offer.viewporter {
            handle.create_global::<World, WpViewporter, ()>(version, ());
        }
        if let Some(version) = offer.fractional {
            handle.create_global::<World, WpFractionalScaleManagerV1, ()>(version, ());
        }
        if let Some(version) = offer.decoration {
            handle.create_global::<World, ZxdgDecorationManagerV1, ()>(version, ());
        }
        if let Some(offer) = &offer.dma_buf {
            handle.create_global::<World, ZwpLinuxDmabufV1, ()>(offer.version, ());
        }
        for version in &offer.seats {
            handle.create_global::<World, WlSeat, ()>(*version, ());
        }
        if let Some(version) = offer.relative_pointer {
            handle.create_global::<World, ZwpRelativePointerManagerV1, ()>(version, ());
        }
        if let Some(version) = offer.presentation {
            handle.create_global::<World, WpPresentation, ()>(version, ());
        }
        let monitors = offer.monitors.iter();
        let monitors = monitors
            .map(|scale| handle.create_global::<World, WlOutput, i32>(4, *scale))
            .collect();
        Self {
            display,
            socket: ListeningSocket::bind_absolute(path.to_owned()).unwrap(),
            world: World {
                offer,
                frames: Frames::EveryTurn,
                releases: Releases::OnReplace,
                first_size: (0, 0),
                first_states: Vec::new(),
                surfaces: Vec::new(),
                windows: Vec::new(),
                buffers: Vec::new(),
                outputs: Vec::new(),
                monitors,
                fractional: None,
                input: Inputs::default(),
                violations: Vec::new(),
                clients: Vec::new(),
                pools: 0,
                import: Import::Take,
                offered: 0,
                imported: Vec::new(),
                pondered: Vec::new(),
                callbacks: Vec::new(),
                feedbacks: Vec::new(),
                serial: 0,
            },
        }
    }

    pub(crate) fn handle(&self) -> DisplayHandle {
        self.display.handle()
    }

    /// Takes in what the client has sent, answers, and shows the next frame.
    pub(crate) fn turn(&mut self) {
        self.listen();
        if self.world.frames == Frames::EveryTurn {
            for callback in self.world.callbacks.drain(..) {
                callback.done(16);
            }
        }
        let _ = self.display.flush_clients();
    }

    /// Takes in what the client has sent, and answers only what must be.
    pub(crate) fn listen(&mut self) {
        while let Some(stream) = self.socket.accept().unwrap() {
            self.insert(stream);
        }
        self.display.dispatch_clients(&mut self.world).unwrap();
        let _ = self.display.flush_clients();
    }

    fn insert(&mut self, stream: UnixStream) {
        let client = self
            .display
            .handle()
            .insert_client(stream, Arc::new(Anyone));
        self.world.clients.push(client.unwrap());
    }

    /// Ends the client's connection with a protocol error.
    pub(crate) fn accuse_client(&mut self) {
        let surface = self.world.surface().resource.clone();
        surface.post_error(7_u32, "made up by a test");
        let _ = self.display.flush_clients();
    }
}
