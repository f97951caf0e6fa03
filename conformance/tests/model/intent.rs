//! Commands whose ids and places are chosen when their turn comes.

use conformance::map::IMAGE;
use conformance::message::{self, Message};
use conformance::message_3d::{
    all_of, attach_to, create_3d, create_context, destroy_context, detach_from, from_host, submit,
    texture, to_host,
};
use conformance::model::{Model, Operation, Way};
use gpu_buffer::Rect;
use gpu_renderer::testing::Order;
use proptest::prelude::*;
use virtio_gpu::protocol::{Box3, Transfer3d};

/// What happens between two looks at the device.
#[derive(Debug, Clone)]
pub enum Event {
    /// Commands, each with or without a fence, and one kick for all.
    Batch(Vec<(Intent, Fence)>),
    /// The guest writes this byte and its successors.
    Paint(u32, u8),
    /// The display takes no frames.
    Busy,
    /// It takes them again.
    Ready,
    /// The renderer is brought to rest, and goes on.
    Rest,
    /// The driver resets the device.
    Reset,
}

/// The fence of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    None,
    Global,
    /// On a ring of the command's context, if it is in one.
    Ring(u8),
}

/// A command whose ids and places are chosen when its turn comes, so that most commands are about
/// what is there.
#[derive(Debug, Clone)]
pub enum Intent {
    Create(Id, u32, u32, u32),
    Unref(Id),
    Attach(Id, Memory),
    Detach(Id),
    Transfer(Id, Part, Offset),
    SetScanout(u32, Id, Part),
    Darken(u32),
    Flush(Id, Part),
    UpdateCursor(u32, Id, (u32, u32), (i32, i32)),
    MoveCursor(u32, (i32, i32)),
    CreateContext(u32),
    DestroyContext(Context),
    AttachTo(Context, Id),
    DetachFrom(Context, Id),
    Create3d(Id, u32, u32),
    Transfer3d(Way, Context, Id, Part, Offset),
    Submit(Context, Option<(Id, u32)>),
}

/// Which context.
#[derive(Debug, Clone)]
pub enum Context {
    /// One of those there are.
    Live(prop::sample::Index),
    /// This one.
    Named(u32),
}

/// Which resource.
#[derive(Debug, Clone)]
pub enum Id {
    /// One of those there are.
    Live(prop::sample::Index),
    /// This one.
    Named(u32),
}

/// Which part of a resource.
#[derive(Debug, Clone)]
pub enum Part {
    /// One that lies inside: the corners are picked among its pixels.
    Inside([prop::sample::Index; 4]),
    /// This one.
    Named(Rect),
}

/// Which memory.
#[derive(Debug, Clone)]
pub enum Memory {
    /// As much as the resource needs, in pieces that begin here.
    Enough(Vec<u32>),
    /// This.
    Named(Vec<(u32, u32)>),
}

/// Where in the backing.
#[derive(Debug, Clone)]
pub enum Offset {
    /// Where the part has its pixels, as Linux says it.
    OfThePart,
    /// Here.
    Named(u64),
}

impl Intent {
    pub fn resolve(&self, model: &Model) -> Operation {
        let live = |id: &Id| match id {
            Id::Named(id) => *id,
            Id::Live(index) if model.resources() > 0 => *index.get(&model.ids()),
            Id::Live(_) => 1,
        };
        let part = |id: u32, part: &Part| match (part, model.size(id)) {
            (Part::Inside([left, top, width, height]), Some((w, h))) => {
                let (x, y) = (left.index(w as usize) as u32, top.index(h as usize) as u32);
                let width = 1 + width.index((w - x) as usize) as u32;
                let height = 1 + height.index((h - y) as usize) as u32;
                Rect::new(x, y, width, height)
            }
            (Part::Inside(_), None) => Rect::new(0, 0, 1, 1),
            (Part::Named(rect), _) => *rect,
        };
        let context = |context: &Context| match context {
            Context::Named(context) => *context,
            Context::Live(index) if !model.contexts().is_empty() => *index.get(&model.contexts()),
            Context::Live(_) => 1,
        };
        let place = |id: u32, rect: &Rect, offset: &Offset| match (offset, model.size(id)) {
            (Offset::OfThePart, Some((width, _))) => {
                (u64::from(rect.y) * u64::from(width) + u64::from(rect.x)) * 4
            }
            (Offset::OfThePart, None) => 0,
            (Offset::Named(offset), _) => *offset,
        };
        match self {
            Self::Create(id, format, width, height) => Operation::Create {
                id: live(id),
                format: *format,
                width: *width,
                height: *height,
            },
            Self::Unref(id) => Operation::Unref(live(id)),
            Self::Attach(id, memory) => {
                let id = live(id);
                let entries = match memory {
                    Memory::Named(entries) => entries.clone(),
                    Memory::Enough(places) => {
                        let (width, height) = model.size(id).unwrap_or((1, 1));
                        let piece = (width * height * 4).div_ceil(places.len() as u32);
                        places.iter().map(|at| (*at, piece)).collect()
                    }
                };
                Operation::Attach(id, entries)
            }
            Self::Detach(id) => Operation::Detach(live(id)),
            Self::Transfer(id, rect, offset) => {
                let id = live(id);
                let rect = part(id, rect);
                let offset = place(id, &rect, offset);
                Operation::Transfer(id, rect, offset)
            }
            Self::SetScanout(scanout, id, rect) => {
                let id = live(id);
                Operation::SetScanout(*scanout, id, part(id, rect))
            }
            Self::Darken(scanout) => Operation::SetScanout(*scanout, 0, Rect::default()),
            Self::Flush(id, rect) => {
                let id = live(id);
                Operation::Flush(id, part(id, rect))
            }
            Self::UpdateCursor(scanout, id, hot, at) => Operation::UpdateCursor {
                scanout: *scanout,
                id: live(id),
                hot: *hot,
                at: *at,
            },
            Self::MoveCursor(scanout, at) => Operation::MoveCursor(*scanout, *at),
            Self::CreateContext(id) => Operation::CreateContext(*id),
            Self::DestroyContext(id) => Operation::DestroyContext(context(id)),
            Self::AttachTo(of, id) => Operation::AttachTo(context(of), live(id)),
            Self::DetachFrom(of, id) => Operation::DetachFrom(context(of), live(id)),
            Self::Create3d(id, width, height) => Operation::Create3d(live(id), *width, *height),
            Self::Transfer3d(way, of, id, rect, offset) => {
                let id = live(id);
                let rect = part(id, rect);
                Operation::Transfer3d {
                    way: *way,
                    context: context(of),
                    id,
                    rect,
                    offset: place(id, &rect, offset),
                }
            }
            Self::Submit(of, fill) => {
                let fill = fill.as_ref().map(|(id, colour)| (live(id), *colour));
                Operation::Submit(context(of), fill)
            }
        }
    }
}

/// The request that an operation is.
pub fn message(operation: &Operation) -> Message {
    match operation {
        Operation::Create {
            id,
            format,
            width,
            height,
        } => message::create_format(*id, *format, *width, *height),
        Operation::Unref(id) => message::unref(*id),
        Operation::Attach(id, entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(at, length)| (IMAGE + u64::from(*at), *length))
                .collect();
            message::attach(*id, &entries)
        }
        Operation::Detach(id) => message::detach(*id),
        Operation::Transfer(id, rect, offset) => message::transfer(*id, *rect, *offset),
        Operation::SetScanout(scanout, id, rect) => message::set_scanout(*scanout, *id, *rect),
        Operation::Flush(id, rect) => message::flush(*id, *rect),
        Operation::UpdateCursor {
            scanout,
            id,
            hot,
            at,
        } => message::update_hotspot(*scanout, *id, hot.0, hot.1)
            .patched(28, &at.0.to_le_bytes())
            .patched(32, &at.1.to_le_bytes()),
        Operation::MoveCursor(scanout, at) => message::move_cursor(*scanout, at.0, at.1),
        Operation::CreateContext(context) => create_context(*context),
        Operation::DestroyContext(context) => destroy_context(*context),
        Operation::AttachTo(context, id) => attach_to(*context, *id),
        Operation::DetachFrom(context, id) => detach_from(*context, *id),
        Operation::Create3d(id, width, height) => create_3d(texture(*id, *width, *height)),
        Operation::Transfer3d {
            way,
            context,
            id,
            rect,
            offset,
        } => {
            let region = Box3 {
                x: rect.x,
                y: rect.y,
                z: 0,
                width: rect.width,
                height: rect.height,
                depth: 1,
            };
            let transfer = Transfer3d {
                region,
                offset: *offset,
                ..all_of(*id, 0, 0)
            };
            match way {
                Way::ToHost => to_host(*context, transfer),
                Way::FromHost => from_host(*context, transfer),
            }
        }
        Operation::Submit(context, fill) => {
            let fill = fill.map(|(id, colour)| {
                let resource = gpu_renderer::ResourceId(id);
                Order::Fill { resource, colour }
            });
            submit(*context, &Order::stream(fill.as_slice()))
        }
    }
}
