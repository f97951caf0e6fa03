//! What the compositor says of windows.

use std::collections::BTreeSet;

use wayland_client::protocol::wl_surface::{self, WlSurface};
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, WEnum, delegate_noop};
use wayland_protocols::wp::fractional_scale::v1::client::wp_fractional_scale_v1::{
    self, WpFractionalScaleV1,
};
use wayland_protocols::wp::viewporter::client::wp_viewport::WpViewport;
use wayland_protocols::xdg::decoration::zv1::client::zxdg_toplevel_decoration_v1::ZxdgToplevelDecorationV1;
use wayland_protocols::xdg::shell::client::xdg_surface::{self, XdgSurface};
use wayland_protocols::xdg::shell::client::xdg_toplevel::{self, XdgToplevel};

use super::fit::{Scale, asked};
use super::monitor::MAX_MONITORS;
use super::state::State;
use crate::desktop::Size;

/// What a Wayland surface is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SurfaceUse {
    /// The window of an output.
    Window(u32),
    /// A cursor.
    Cursor,
}

/// The output whose window a surface is, if it is one.
pub(super) fn output_of(surface: &WlSurface) -> Option<u32> {
    match surface.data::<SurfaceUse>()? {
        SurfaceUse::Window(output) => Some(*output),
        SurfaceUse::Cursor => None,
    }
}

/// What the compositor asks of a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) size: Option<Size>,
    pub(super) exact: bool,
    pub(super) bounds: Option<Size>,
}

/// What the compositor has said of a window, but not yet that it holds.
#[derive(Debug, Default)]
pub(super) struct Told {
    asked: Asked,
    /// Names of the monitors that show some of it.
    monitors: BTreeSet<u32>,
    /// The scale that the compositor prefers, if it says so.
    buffer_scale: Option<Scale>,
}

impl Told {
    pub(super) fn forget_monitor(&mut self, name: u32) {
        self.monitors.remove(&name);
    }
}

impl State {
    /// A window's scale may be another now, unless it is told exactly.
    fn update_scale(&mut self, output: u32) {
        let (Some(window), Some(link)) = (self.windows.get_mut(&output), &self.link) else {
            return;
        };
        let Some(told) = self.told.get(&output) else {
            return;
        };
        if window.is_told_scale() {
            return;
        }
        let shown_on = link.monitors.iter();
        let shown_on = shown_on.filter(|monitor| told.monitors.contains(&monitor.name));
        let largest = shown_on.map(|monitor| monitor.scale).max();
        if let Some(scale) = told.buffer_scale.or(largest) {
            window.set_scale(scale, &mut self.modes, self.now);
            self.refresh_cursors(output);
        }
    }

    /// A monitor has another scale, or is gone.
    pub(super) fn monitors_changed(&mut self) {
        let outputs: Vec<u32> = self.windows.keys().copied().collect();
        for output in outputs {
            self.update_scale(output);
        }
    }
}

impl Dispatch<WlSurface, SurfaceUse> for State {
    fn event(
        state: &mut Self,
        _: &WlSurface,
        event: wl_surface::Event,
        usage: &SurfaceUse,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let SurfaceUse::Window(output) = *usage else {
            return;
        };
        let told = state.told.entry(output).or_default();
        match event {
            wl_surface::Event::Enter { output: monitor } => {
                if let Some(name) = monitor.data::<u32>()
                    && told.monitors.len() < MAX_MONITORS
                {
                    told.monitors.insert(*name);
                }
            }
            wl_surface::Event::Leave { output: monitor } => {
                if let Some(name) = monitor.data::<u32>() {
                    told.monitors.remove(name);
                }
            }
            wl_surface::Event::PreferredBufferScale { factor } => {
                if let Some(scale) = Scale::whole(factor) {
                    told.buffer_scale = Some(scale);
                }
            }
            _ => return,
        }
        state.update_scale(output);
    }
}

impl Dispatch<WpFractionalScaleV1, u32> for State {
    fn event(
        state: &mut Self,
        _: &WpFractionalScaleV1,
        event: wp_fractional_scale_v1::Event,
        output: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let wp_fractional_scale_v1::Event::PreferredScale { scale } = event else {
            return;
        };
        if let Some(scale) = Scale::from_120ths(scale)
            && let Some(window) = state.windows.get_mut(output)
        {
            window.set_scale(scale, &mut state.modes, state.now);
            state.refresh_cursors(*output);
        }
    }
}

impl Dispatch<XdgToplevel, u32> for State {
    fn event(
        state: &mut Self,
        _: &XdgToplevel,
        event: xdg_toplevel::Event,
        output: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let told = state.told.entry(*output).or_default();
        match event {
            xdg_toplevel::Event::Configure {
                width,
                height,
                states,
            } => {
                told.asked.size = asked(width, height);
                told.asked.exact = is_exact(&states);
            }
            xdg_toplevel::Event::ConfigureBounds { width, height } => {
                told.asked.bounds = asked(width, height);
            }
            xdg_toplevel::Event::Close => {
                let window = state.windows.get(output);
                if let Some(surface) = window.and_then(|window| window.scanout) {
                    state.news.close_requested(surface);
                }
            }
            _ => {}
        }
    }
}

/// Whether a window in these states must have exactly the size that it is told. In full screen it
/// may be smaller, unless it is maximized as well: some compositors end the connection then.
fn is_exact(states: &[u8]) -> bool {
    let (words, _) = states.as_chunks::<4>();
    let states = words.iter().filter_map(|word| {
        let state = WEnum::<xdg_toplevel::State>::from(u32::from_ne_bytes(*word));
        state.into_result().ok()
    });
    let states: Vec<_> = states.collect();
    let tiled = [
        xdg_toplevel::State::TiledLeft,
        xdg_toplevel::State::TiledRight,
        xdg_toplevel::State::TiledTop,
        xdg_toplevel::State::TiledBottom,
    ];
    let is = |state| states.contains(state);
    is(&xdg_toplevel::State::Maximized)
        || (tiled.iter().any(is) && !is(&xdg_toplevel::State::Fullscreen))
}

impl Dispatch<XdgSurface, u32> for State {
    fn event(
        state: &mut Self,
        _: &XdgSurface,
        event: xdg_surface::Event,
        output: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let xdg_surface::Event::Configure { serial } = event else {
            return;
        };
        let (Some(window), Some(link)) = (state.windows.get_mut(output), &mut state.link) else {
            return;
        };
        let asked = state.told.entry(*output).or_default().asked;
        window.configure(link, serial, &asked, &mut state.modes, state.now);
        state.refresh_cursors(*output);
        state.wake(*output);
    }
}

delegate_noop!(State: ignore WpViewport);
delegate_noop!(State: ignore ZxdgToplevelDecorationV1);
