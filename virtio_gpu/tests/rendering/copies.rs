//! What frames cost that the renderer draws.

use virtio_gpu::Frames;

use crate::rig::{Placement, Rig3d};
use crate::shared;
use crate::support::{OK, Rect, rect};

#[test]
fn a_texture_that_is_read_costs_one_copy_of_what_changed() {
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = Rig3d::new(placement);
        rig.painted(1, 8, 8, 0x112233);
        assert_eq!(rig.set_scanout(0, 1, Rect::from_size(8, 8)), OK);
        rig.rest();
        let before = rig.device.backend().frame_statistics().textures_read;
        assert_eq!((before.taken, before.copied_bytes), (1, 256));

        assert_eq!(rig.flush(1, rect(2, 3, 4, 2)), OK);
        rig.rest();

        let now = rig.device.backend().frame_statistics().textures_read;
        assert_eq!((now.taken, now.copied_bytes), (2, 256 + 32));
    }
}

#[test]
fn a_texture_that_is_shown_where_it_is_costs_nothing() {
    for mut rig in shared::on_screen(0x112233) {
        assert_eq!(rig.flush(1, rect(2, 3, 4, 2)), OK);
        rig.rest();

        let done = rig.device.backend().frame_statistics();
        assert_eq!(done.textures_shared.taken, 2);
        assert_eq!(done.textures_shared.copied_bytes, 0);
        assert_eq!(done.textures_read, Frames::default());
    }
}
