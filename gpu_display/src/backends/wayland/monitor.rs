//! Monitors of the compositor, of which only the scale matters: windows on them are drawn so.

use wayland_client::protocol::wl_output::{self, WlOutput};
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle};

use super::fit::Scale;
use super::state::State;

/// Monitors that are looked at.
pub(super) const MAX_MONITORS: usize = 64;

/// A monitor.
#[derive(Debug)]
pub(super) struct Monitor {
    /// Its name in the registry.
    pub(super) name: u32,
    pub(super) proxy: WlOutput,
    pub(super) scale: Scale,
}

impl Monitor {
    pub(super) fn new(name: u32, proxy: WlOutput) -> Self {
        Self {
            name,
            proxy,
            scale: Scale::ONE,
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if self.proxy.version() >= 3 {
            self.proxy.release();
        }
    }
}

impl Dispatch<WlOutput, u32> for State {
    fn event(
        state: &mut Self,
        _: &WlOutput,
        event: wl_output::Event,
        name: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let wl_output::Event::Scale { factor } = event else {
            return;
        };
        let Some(scale) = Scale::whole(factor) else {
            return;
        };
        let monitors = state.link.iter_mut().flat_map(|link| &mut link.monitors);
        for monitor in monitors.filter(|monitor| monitor.name == *name) {
            monitor.scale = scale;
        }
        state.monitors_changed();
    }
}
