//! Names for objects at the server, used again when their objects are gone.

use x11rb_protocol::protocol::xproto::Setup;

/// The names that the server leaves to us.
#[derive(Debug)]
pub(super) struct Ids {
    base: u32,
    step: u32,
    mask: u32,
    next: u32,
    free: Vec<u32>,
}

impl Ids {
    pub(super) fn new(setup: &Setup) -> Self {
        let mask = setup.resource_id_mask;
        Self {
            base: setup.resource_id_base,
            // The lowest bit of the mask.
            step: mask & mask.wrapping_neg(),
            mask,
            next: 0,
            free: Vec::new(),
        }
    }

    /// A name that no object has; `None` if all are in use.
    pub(super) fn take(&mut self) -> Option<u32> {
        if let Some(id) = self.free.pop() {
            return Some(id);
        }
        let offset = self.next;
        self.next = offset.checked_add(self.step)?;
        (offset & !self.mask == 0 && self.step != 0).then_some(self.base | offset)
    }

    /// The object of this name is gone: the server was told, and learns of the next one later.
    pub(super) fn give_back(&mut self, id: u32) {
        self.free.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use x11rb_protocol::protocol::xproto::ImageOrder;

    fn ids(base: u32, mask: u32) -> Ids {
        Ids::new(&Setup {
            status: 1,
            protocol_major_version: 11,
            protocol_minor_version: 0,
            length: 0,
            release_number: 0,
            resource_id_base: base,
            resource_id_mask: mask,
            motion_buffer_size: 0,
            maximum_request_length: 0,
            image_byte_order: ImageOrder::LSB_FIRST,
            bitmap_format_bit_order: ImageOrder::LSB_FIRST,
            bitmap_format_scanline_unit: 32,
            bitmap_format_scanline_pad: 32,
            min_keycode: 8,
            max_keycode: 255,
            vendor: Vec::new(),
            pixmap_formats: Vec::new(),
            roots: Vec::new(),
        })
    }

    #[test]
    fn names_lie_in_the_mask_and_are_used_again() {
        let mut ids = ids(0x20_0000, 0b1100);
        let first: Vec<_> = std::iter::from_fn(|| ids.take()).collect();
        assert_eq!(first, [0x20_0000, 0x20_0004, 0x20_0008, 0x20_000c]);

        ids.give_back(0x20_0008);

        assert_eq!((ids.take(), ids.take()), (Some(0x20_0008), None));
    }

    #[test]
    fn a_server_that_leaves_no_names_gets_no_objects() {
        assert_eq!(ids(0x20_0000, 0).take(), None);
        let mut all = ids(0, u32::MAX);
        assert_eq!((all.take(), all.take()), (Some(0), Some(1)));
    }
}
