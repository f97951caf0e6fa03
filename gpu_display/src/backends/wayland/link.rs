//! What a connection offers: the compositor's global objects.

use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_registry::{self, WlRegistry};
use wayland_client::protocol::wl_shm::{self, WlShm};
use wayland_client::protocol::wl_subcompositor::WlSubcompositor;
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, WEnum, delegate_noop};
use wayland_protocols::wp::fractional_scale::v1::client::wp_fractional_scale_manager_v1::WpFractionalScaleManagerV1;
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use wayland_protocols::wp::relative_pointer::zv1::client::zwp_relative_pointer_manager_v1::ZwpRelativePointerManagerV1;
use wayland_protocols::wp::viewporter::client::wp_viewporter::WpViewporter;
use wayland_protocols::xdg::decoration::zv1::client::zxdg_decoration_manager_v1::ZxdgDecorationManagerV1;
use wayland_protocols::xdg::shell::client::xdg_wm_base::{self, XdgWmBase};

use gpu_buffer::DrmFourcc;

use super::feedback::Feedback;
use super::import::{Kind, Refusals};
use super::monitor::{MAX_MONITORS, Monitor};
use super::presentation::Presentations;
use super::seat::{MAX_SEATS, Seat};
use super::state::State;
use crate::DisplayError;

/// Objects of one connection. Ids are used again, so more of them mean that the compositor does
/// not confirm what was destroyed.
const MAX_OBJECTS: u32 = 4096;

/// A connection's objects that are no window's.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) queue: QueueHandle<State>,
    pub(super) stage: Stage,
    pub(super) globals: Globals,
    pub(super) monitors: Vec<Monitor>,
    pub(super) seats: Vec<Seat>,
    pub(super) feedback: Feedback,
    pub(super) refusals: Refusals,
    pub(super) presentations: Presentations,
    /// What a handler found to be wrong: the connection is of no use.
    pub(super) trouble: Option<DisplayError>,
    /// Descriptors that events brought.
    pub(super) fds_taken: usize,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The compositor is telling what it has.
    Greeting,
    /// There are windows.
    Online,
}

/// The global objects. Optional ones make the picture better, or faster.
#[derive(Debug, Default)]
pub(super) struct Globals {
    pub(super) compositor: Option<WlCompositor>,
    pub(super) subcompositor: Option<WlSubcompositor>,
    pub(super) shm: Option<WlShm>,
    pub(super) wm_base: Option<XdgWmBase>,
    pub(super) decoration: Option<ZxdgDecorationManagerV1>,
    pub(super) viewporter: Option<WpViewporter>,
    pub(super) fractional: Option<WpFractionalScaleManagerV1>,
    pub(super) dma_buf: Option<ZwpLinuxDmabufV1>,
    pub(super) relative_pointer: Option<ZwpRelativePointerManagerV1>,
    /// Formats that every window may have besides the two that are always there.
    pub(super) shm_formats: Vec<DrmFourcc>,
}

/// What a callback is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callback {
    /// All globals have been told.
    Greeting,
    /// A window can take the next frame.
    Frame { output: u32 },
    /// A window can take other cursors.
    Cursors { output: u32 },
}

impl Link {
    /// Asks for everything. A callback says when all has been told.
    pub(super) fn new(connection: &Connection, queue: QueueHandle<State>) -> Self {
        let display = connection.display();
        display.get_registry(&queue, ());
        display.sync(&queue, Callback::Greeting);
        Self {
            queue,
            stage: Stage::Greeting,
            globals: Globals::default(),
            monitors: Vec::new(),
            seats: Vec::new(),
            feedback: Feedback::default(),
            refusals: Refusals::default(),
            presentations: Presentations::default(),
            trouble: None,
            fds_taken: 0,
        }
    }

    /// Checks that a new object is not one of too many.
    pub(super) fn count(&mut self, object: &impl Proxy) {
        if object.id().protocol_id() > MAX_OBJECTS {
            self.trouble = Some(DisplayError::Protocol {
                code: 0,
                message: "the compositor keeps objects that were destroyed".to_owned(),
            });
        }
    }

    /// Whether pixels of this format can be shown from memory.
    pub(super) fn takes(&self, format: DrmFourcc) -> bool {
        matches!(format, DrmFourcc::Xrgb8888 | DrmFourcc::Argb8888)
            || self.globals.shm_formats.contains(&format)
    }

    /// Whether a kind of dma-buf is worth offering to the compositor.
    pub(super) fn imports_kind(&self, kind: Kind) -> bool {
        self.feedback.kinds().contains(&kind) && !self.refusals.contain(kind)
    }

    fn bind(&mut self, registry: &WlRegistry, name: u32, interface: &str, version: u32) {
        let queue = &self.queue;
        let globals = &mut self.globals;
        match interface {
            // 4: damage in the buffer's pixels; 6: the scale is told.
            "wl_compositor" if globals.compositor.is_none() && version >= 4 => {
                globals.compositor = Some(registry.bind(name, version.min(6), queue, ()));
            }
            "wl_subcompositor" if globals.subcompositor.is_none() => {
                globals.subcompositor = Some(registry.bind(name, 1, queue, ()));
            }
            "wl_shm" if globals.shm.is_none() => {
                globals.shm = Some(registry.bind(name, 1, queue, ()));
            }
            // 4: recommended bounds; 6: the suspended state.
            "xdg_wm_base" if globals.wm_base.is_none() => {
                globals.wm_base = Some(registry.bind(name, version.min(6), queue, ()));
            }
            "zxdg_decoration_manager_v1" if globals.decoration.is_none() => {
                globals.decoration = Some(registry.bind(name, 1, queue, ()));
            }
            "wp_viewporter" if globals.viewporter.is_none() => {
                globals.viewporter = Some(registry.bind(name, 1, queue, ()));
            }
            "wp_fractional_scale_manager_v1" if globals.fractional.is_none() => {
                globals.fractional = Some(registry.bind(name, 1, queue, ()));
            }
            "zwp_relative_pointer_manager_v1" if globals.relative_pointer.is_none() => {
                globals.relative_pointer = Some(registry.bind(name, 1, queue, ()));
            }
            // 2: rates that vary have one as well.
            "wp_presentation" if self.presentations.global.is_none() => {
                let global = registry.bind(name, version.min(2), queue, ());
                self.presentations.global = Some(global);
            }
            // 5: events come in frames; 8: parts of a detent.
            "wl_seat" if self.seats.len() < MAX_SEATS => {
                let proxy = registry.bind(name, version.min(8), queue, name);
                self.seats.push(Seat::new(name, proxy));
            }
            // 3: modifiers are told; 4: in a table.
            "zwp_linux_dmabuf_v1" if globals.dma_buf.is_none() && version >= 3 => {
                let dma_buf: ZwpLinuxDmabufV1 = registry.bind(name, version.min(4), queue, ());
                if version >= 4 {
                    dma_buf.get_default_feedback(queue, ());
                }
                globals.dma_buf = Some(dma_buf);
            }
            // 2: the scale is told.
            "wl_output" if version >= 2 && self.monitors.len() < MAX_MONITORS => {
                let proxy = registry.bind(name, version.min(4), queue, name);
                self.monitors.push(Monitor::new(name, proxy));
            }
            _ => {}
        }
    }

    /// Whether there is all that a window needs.
    fn check(&self) -> Result<(), DisplayError> {
        let missing = [
            ("wl_compositor", self.globals.compositor.is_none()),
            ("wl_shm", self.globals.shm.is_none()),
            ("xdg_wm_base", self.globals.wm_base.is_none()),
        ];
        match missing.into_iter().find(|(_, missing)| *missing) {
            Some((interface, _)) => Err(DisplayError::MissingInterface { interface }),
            None => Ok(()),
        }
    }
}

impl Dispatch<WlRegistry, ()> for State {
    fn event(
        state: &mut Self,
        registry: &WlRegistry,
        event: wl_registry::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(link) = &mut state.link else {
            return;
        };
        match event {
            wl_registry::Event::Global {
                name,
                interface,
                version,
            } => link.bind(registry, name, &interface, version),
            wl_registry::Event::GlobalRemove { name } => state.remove_global(name),
            _ => {}
        }
    }
}

impl Dispatch<WlCallback, Callback> for State {
    fn event(
        state: &mut Self,
        _: &WlCallback,
        event: wl_callback::Event,
        callback: &Callback,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let wl_callback::Event::Done { .. } = event else {
            return;
        };
        match *callback {
            Callback::Greeting => {
                let Some(link) = &mut state.link else {
                    return;
                };
                match link.check() {
                    Ok(()) => {
                        link.stage = Stage::Online;
                        state.come_online();
                    }
                    Err(error) => link.trouble = Some(error),
                }
            }
            Callback::Frame { output } => state.frame_is_shown(output),
            Callback::Cursors { output } => state.cursors_are_shown(output),
        }
    }
}

impl Dispatch<WlShm, ()> for State {
    fn event(
        state: &mut Self,
        _: &WlShm,
        event: wl_shm::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let (wl_shm::Event::Format { format }, Some(link)) = (event, &mut state.link) else {
            return;
        };
        let code = match format {
            WEnum::Value(format) => u32::from(format),
            WEnum::Unknown(code) => code,
        };
        // Beyond the two that are always there, the codes are those of DRM.
        if let Ok(format) = DrmFourcc::try_from(code)
            && gpu_buffer::channel_order(format).is_some()
            && !link.globals.shm_formats.contains(&format)
        {
            link.globals.shm_formats.push(format);
        }
    }
}

impl Dispatch<XdgWmBase, ()> for State {
    fn event(
        _: &mut Self,
        wm_base: &XdgWmBase,
        event: xdg_wm_base::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            wm_base.pong(serial);
        }
    }
}

delegate_noop!(State: ignore WlCompositor);
delegate_noop!(State: ignore WlSubcompositor);
delegate_noop!(State: ignore WpViewporter);
delegate_noop!(State: ignore WpFractionalScaleManagerV1);
delegate_noop!(State: ignore ZxdgDecorationManagerV1);
