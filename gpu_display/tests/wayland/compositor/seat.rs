//! Seats, and hands for the tests.

use std::fs::File;
use std::os::fd::AsFd;

use wayland_protocols::wp::relative_pointer::zv1::server::zwp_relative_pointer_manager_v1::{
    self, ZwpRelativePointerManagerV1,
};
use wayland_protocols::wp::relative_pointer::zv1::server::zwp_relative_pointer_v1::{
    self, ZwpRelativePointerV1,
};
use wayland_server::backend::ClientId;
use wayland_server::protocol::wl_keyboard::{self, KeymapFormat, WlKeyboard};
use wayland_server::protocol::wl_pointer::{self, WlPointer};
use wayland_server::protocol::wl_seat::{self, Capability, WlSeat};
use wayland_server::protocol::wl_touch::{self, WlTouch};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::surface::{Role, SurfaceIndex};
use super::{Pair, Picture, World};

/// What a pointer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PointerCursor {
    /// Number of its surface; `None` for nothing.
    pub(crate) surface: Option<usize>,
    pub(crate) hotspot: (i32, i32),
}

/// The devices that the client listens to.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    pub(crate) seats: Vec<WlSeat>,
    pub(crate) pointers: Vec<WlPointer>,
    pub(crate) keyboards: Vec<WlKeyboard>,
    pub(crate) touches: Vec<WlTouch>,
    pub(crate) relative: Vec<ZwpRelativePointerV1>,
    /// Of the last pointer that got one.
    pub(crate) cursor: Option<PointerCursor>,
    /// How often.
    pub(crate) cursors_set: u32,
    enter_serial: u32,
}

impl World {
    /// The pointer goes into the only window.
    pub(crate) fn point(&mut self, x: f64, y: f64) {
        let serial = self.next_serial();
        self.input.enter_serial = serial;
        self.input.cursor = None;
        let surface = self.surface().resource.clone();
        let pointer = self.input.pointers.last().unwrap();
        pointer.enter(serial, &surface, x, y);
        pointer.frame();
    }

    /// The pointer goes out of the only window.
    pub(crate) fn point_away(&mut self) {
        let serial = self.next_serial();
        let surface = self.surface().resource.clone();
        let pointer = self.input.pointers.last().unwrap();
        pointer.leave(serial, &surface);
        pointer.frame();
    }

    /// The image of the pointer, its size and hotspot.
    pub(crate) fn pointer_image(&self) -> Option<(&Picture, Pair, Pair)> {
        let cursor = self.input.cursor?;
        let surface = &self.surfaces[cursor.surface?];
        Some((surface.screen.as_ref()?, surface.size(), cursor.hotspot))
    }
}

impl GlobalDispatch<WlSeat, ()> for World {
    fn bind(
        world: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        seat: New<WlSeat>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let seat = init.init(seat, ());
        seat.capabilities(Capability::all());
        world.input.seats.push(seat);
    }
}

impl Dispatch<WlSeat, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WlSeat,
        request: wl_seat::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            wl_seat::Request::GetPointer { id } => {
                world.input.pointers.push(init.init(id, ()));
            }
            wl_seat::Request::GetKeyboard { id } => {
                let keyboard = init.init(id, ());
                // A file that nobody should look into.
                let file = File::open("/dev/null").unwrap();
                keyboard.keymap(KeymapFormat::XkbV1, file.as_fd(), u32::MAX);
                world.input.keyboards.push(keyboard);
            }
            wl_seat::Request::GetTouch { id } => {
                world.input.touches.push(init.init(id, ()));
            }
            _ => {}
        }
    }
}

impl Dispatch<WlPointer, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WlPointer,
        request: wl_pointer::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        if let wl_pointer::Request::SetCursor {
            serial,
            surface,
            hotspot_x,
            hotspot_y,
        } = request
        {
            if serial != world.input.enter_serial {
                return;
            }
            let surface = surface.map(|surface| surface.data::<SurfaceIndex>().unwrap().0);
            if let Some(surface) = surface {
                let role = world.surfaces[surface].role;
                if !matches!(role, Role::None | Role::Pointer) {
                    world.violation("a surface of two roles");
                }
                world.surfaces[surface].role = Role::Pointer;
            }
            world.input.cursors_set += 1;
            world.input.cursor = Some(PointerCursor {
                surface,
                hotspot: (hotspot_x, hotspot_y),
            });
        }
    }

    fn destroyed(world: &mut Self, _: ClientId, pointer: &WlPointer, (): &()) {
        world.input.pointers.retain(|other| other != pointer);
    }
}

impl Dispatch<WlKeyboard, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlKeyboard,
        _: wl_keyboard::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }

    fn destroyed(world: &mut Self, _: ClientId, keyboard: &WlKeyboard, (): &()) {
        world.input.keyboards.retain(|other| other != keyboard);
    }
}

impl Dispatch<WlTouch, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlTouch,
        _: wl_touch::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }

    fn destroyed(world: &mut Self, _: ClientId, touch: &WlTouch, (): &()) {
        world.input.touches.retain(|other| other != touch);
    }
}

impl GlobalDispatch<ZwpRelativePointerManagerV1, ()> for World {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwpRelativePointerManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(manager, ());
    }
}

impl Dispatch<ZwpRelativePointerManagerV1, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &ZwpRelativePointerManagerV1,
        request: zwp_relative_pointer_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let zwp_relative_pointer_manager_v1::Request::GetRelativePointer { id, .. } = request {
            world.input.relative.push(init.init(id, ()));
        }
    }
}

impl Dispatch<ZwpRelativePointerV1, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwpRelativePointerV1,
        _: zwp_relative_pointer_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}
