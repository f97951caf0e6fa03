//! Which operations a device must refuse, and with which codes.

use gpu_buffer::Rect;

use super::resource::{Owner, Resource, order};
use super::{BADCTX, BADPARAM, BADRES, BADSCAN, Model, OOM, Operation, UNSPEC};

/// Width and height beyond which the recording renderer has no textures.
const TEXTURE_SIDE: u32 = 1 << 14;

/// The rules that an operation breaks.
#[derive(Debug, Default)]
struct Broken(Vec<u32>);

impl Broken {
    fn rule(&mut self, broken: bool, code: u32) {
        if broken {
            self.0.push(code);
        }
    }
}

impl Model {
    /// The codes that a device may refuse an operation with; none if it must carry it out. Where
    /// several rules are broken, any of their codes will do.
    pub fn refusals(&self, operation: &Operation) -> Vec<u32> {
        let mut broken = Broken::default();
        match operation {
            Operation::Create {
                id,
                format,
                width,
                height,
            } => {
                broken.rule(order(*format).is_none(), BADPARAM);
                self.creation(&mut broken, *id, (*width, *height), Owner::Host);
            }
            Operation::Create3d(id, width, height) => {
                self.creation(&mut broken, *id, (*width, *height), Owner::Renderer);
            }
            Operation::Unref(id) => broken.rule(!self.resources.contains_key(id), BADRES),
            Operation::Attach(id, entries) => match self.resources.get(id) {
                None => broken.rule(true, BADRES),
                Some(resource) => {
                    broken.rule(resource.backing.is_some(), UNSPEC);
                    broken.rule(entries.len() > self.caps.backing_entries, UNSPEC);
                }
            },
            Operation::Detach(id) => match self.resources.get(id) {
                None => broken.rule(true, BADRES),
                Some(resource) => broken.rule(resource.backing.is_none(), UNSPEC),
            },
            Operation::Transfer(id, rect, offset) => {
                if let Some(picture) = self.picture(&mut broken, *id) {
                    let inside = picture.contains(rect);
                    broken.rule(picture.backing.is_none(), UNSPEC);
                    broken.rule(!inside, BADPARAM);
                    let all_there = picture.has_backing_for(rect, *offset);
                    broken.rule(inside && !rect.is_empty() && !all_there, BADPARAM);
                }
            }
            Operation::SetScanout(scanout, id, rect) => {
                broken.rule(self.scanout(*scanout).is_none(), BADSCAN);
                if *id != 0
                    && let Some(picture) = self.picture(&mut broken, *id)
                {
                    broken.rule(rect.is_empty() || !picture.contains(rect), BADPARAM);
                    let sum = self.shown_with(*scanout, rect);
                    broken.rule(sum > u128::from(self.caps.shown_bytes), OOM);
                }
            }
            Operation::Flush(id, rect) => {
                if let Some(picture) = self.picture(&mut broken, *id) {
                    broken.rule(!picture.contains(rect), BADPARAM);
                }
            }
            Operation::UpdateCursor { scanout, id, .. } => {
                broken.rule(self.scanout(*scanout).is_none(), BADSCAN);
                if *id != 0
                    && let Some(picture) = self.picture(&mut broken, *id)
                {
                    let side = picture.width.max(picture.height);
                    broken.rule(side > self.caps.cursor_side, BADPARAM);
                }
            }
            Operation::MoveCursor(scanout, _) => {
                broken.rule(self.scanout(*scanout).is_none(), BADSCAN);
            }
            Operation::CreateContext(context) => {
                let taken = *context == 0 || self.contexts.contains_key(context);
                broken.rule(taken, BADCTX);
                broken.rule(self.contexts.len() >= self.caps.contexts, OOM);
            }
            Operation::DestroyContext(context) => self.in_context(&mut broken, *context),
            Operation::AttachTo(context, id) => {
                self.in_context(&mut broken, *context);
                broken.rule(!self.resources.contains_key(id), BADRES);
                let full = self.attachments() >= self.caps.attachments;
                broken.rule(full && !self.is_attached(*context, *id), OOM);
            }
            Operation::DetachFrom(context, id) => {
                self.in_context(&mut broken, *context);
                broken.rule(!self.resources.contains_key(id), BADRES);
            }
            Operation::Transfer3d {
                context,
                id,
                rect,
                offset,
                ..
            } => self.transfer_3d(&mut broken, *context, *id, rect, *offset),
            Operation::Submit(context, fill) => {
                self.in_context(&mut broken, *context);
                if let Some((id, _)) = fill {
                    let owner = self.resources.get(id).map(|resource| resource.owner);
                    broken.rule(owner != Some(Owner::Renderer), BADRES);
                    broken.rule(!self.is_attached(*context, *id), BADPARAM);
                }
            }
        }
        broken.0
    }

    fn creation(&self, broken: &mut Broken, id: u32, size: (u32, u32), owner: Owner) {
        let (width, height) = size;
        broken.rule(id == 0 || self.resources.contains_key(&id), BADRES);
        broken.rule(self.resources.len() >= self.caps.resources, OOM);
        let (there, most) = match owner {
            Owner::Host => {
                let sides = 1..=self.caps.side;
                let possible = sides.contains(&width) && sides.contains(&height);
                broken.rule(!possible, BADPARAM);
                (self.host_bytes(), self.caps.host_bytes)
            }
            Owner::Renderer => {
                broken.rule(width == 0 || height == 0, BADPARAM);
                broken.rule(width.max(height) > TEXTURE_SIDE, OOM);
                (self.renderer_bytes(), self.caps.renderer_bytes)
            }
        };
        let bytes = u128::from(width.max(1)) * u128::from(height.max(1)) * 4;
        broken.rule(u128::from(there) + bytes > u128::from(most), OOM);
    }

    /// A resource that can be shown.
    fn picture(&self, broken: &mut Broken, id: u32) -> Option<&Resource> {
        let resource = self.resources.get(&id);
        broken.rule(resource.is_none(), BADRES);
        let resource = resource?;
        let is_picture = resource.width.max(resource.height) <= self.caps.side;
        broken.rule(!is_picture, BADPARAM);
        is_picture.then_some(resource)
    }

    fn in_context(&self, broken: &mut Broken, context: u32) {
        broken.rule(!self.contexts.contains_key(&context), BADCTX);
    }

    fn transfer_3d(&self, broken: &mut Broken, context: u32, id: u32, rect: &Rect, offset: u64) {
        if context != 0 {
            self.in_context(broken, context);
            broken.rule(!self.is_attached(context, id), UNSPEC);
        }
        let Some(resource) = self.resources.get(&id) else {
            broken.rule(true, BADRES);
            return;
        };
        broken.rule(resource.backing.is_none(), UNSPEC);
        // It would be the renderer's by now if that had room for it.
        let otherwise_right = broken.0.is_empty();
        broken.rule(otherwise_right && resource.owner == Owner::Host, OOM);
        let inside = resource.contains(rect);
        broken.rule(rect.is_empty() || !inside, BADPARAM);
        broken.rule(inside && !resource.has_backing_for(rect, offset), UNSPEC);
    }

    /// Bytes on all scanouts if one of them showed this.
    fn shown_with(&self, scanout: u32, rect: &Rect) -> u128 {
        let others: u64 = (0..)
            .zip(&self.scanouts)
            .filter(|(index, _)| *index != scanout)
            .filter_map(|(_, other)| other.shown)
            .map(|(_, rect)| rect.area() * 4)
            .sum();
        let area = u128::from(rect.width) * u128::from(rect.height);
        u128::from(others) + area * 4
    }
}
