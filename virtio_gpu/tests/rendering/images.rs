//! Resources that will be scanned out, made of images that are allocated
//! here: memory files stand for those of a GPU's driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gpu_buffer::{
    Allocator, Buffer, BufferRequest, Error, Image, ImageRequest, MemfdAllocator, Usage,
};
use gpu_renderer::testing::{Call, Method, Order};
use gpu_renderer::{RenderError, ResourceId as RendererResource};
use virtio_gpu::Limits;
use virtio_gpu::protocol::{Command, ResourceCreate3d, ResourceId, ScanoutId};

use crate::rig::{
    Fence, OUT_OF_MEMORY, Placement, Rig3d, buffer, ctx_attach, flush, picture, stream, submit,
};
use crate::support::recorder::DmaBufs;
use crate::support::{OK, Rect, rect};

/// `VIRGL_BIND_SCANOUT`.
const SCANOUT: u32 = 1 << 18;

const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 8,
    height: 8,
};

/// Images in memory files, or none.
#[derive(Debug)]
struct Images {
    asked: Arc<AtomicUsize>,
    has_memory: bool,
}

impl Allocator for Images {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, Error> {
        MemfdAllocator.allocate(request)
    }

    fn create(&mut self, request: &ImageRequest) -> Result<Image, Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert_eq!(request.usage, Usage::SCANOUT | Usage::RENDERING);
        assert!(request.modifiers.is_empty());
        if !self.has_memory {
            return Err(Error::BufferTooLarge { bytes: 1 });
        }
        MemfdAllocator.create(&ImageRequest {
            usage: Usage::LINEAR,
            ..request.clone()
        })
    }
}

fn with_images(rig: &mut Rig3d, has_memory: bool) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    rig.device.set_scanout_allocator(Box::new(Images {
        asked: Arc::clone(&asked),
        has_memory,
    }));
    asked
}

fn each() -> [Rig3d; 2] {
    [Placement::Inline, Placement::Thread].map(|placement| {
        let mut rig = Rig3d::sharing(placement, 1);
        with_images(&mut rig, true);
        rig
    })
}

fn scanned_out(id: u32) -> Command<'static> {
    Command::ResourceCreate3d(ResourceCreate3d {
        bind: 1 << 1 | SCANOUT,
        ..picture(id, 8, 8)
    })
}

/// A picture to be scanned out, in a colour, for context 1.
fn painted(rig: &mut Rig3d, id: u32, colour: u32) {
    if rig.journal.contexts().is_empty() {
        assert_eq!(rig.create_context(1), OK);
    }
    assert_eq!(rig.call_in(0, &scanned_out(id)), OK);
    assert_eq!(rig.attach_to(1, id), OK);
    rig.fill(1, id, colour);
}

/// The ways in which resources came to be, and how often one was shared or
/// read.
fn calls(rig: &Rig3d) -> [usize; 4] {
    let calls = rig.journal.take_calls();
    let count = |is: fn(&&Call) -> bool| calls.iter().filter(is).count();
    [
        count(|call| matches!(call, Call::Import { .. })),
        count(|call| matches!(call, Call::CreateResource { .. })),
        count(|call| matches!(call, Call::Share { .. })),
        count(|call| matches!(call, Call::ReadBack { .. })),
    ]
}

#[test]
fn the_renderer_draws_into_the_image_and_the_display_shows_it() {
    for mut rig in each() {
        painted(&mut rig, 1, 6);
        assert_eq!(rig.set_scanout(0, 1, WHOLE), OK);
        rig.rest();
        assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![6; 64])]);

        rig.fill(1, 1, 7);
        assert_eq!(rig.flush(1, rect(0, 0, 2, 2)), OK);
        rig.rest();

        let damage = vec![rect(0, 0, 2, 2)];
        assert_eq!(rig.shared_frames(), [(damage, vec![7; 64])]);
        let [imports, _, shares, reads] = calls(&rig);
        assert_eq!((imports, shares, reads), (1, 0, 0));
    }
}

#[test]
fn the_memory_goes_with_the_resource_and_the_id_is_free_again() {
    for mut rig in each() {
        painted(&mut rig, 1, 6);
        assert_eq!(rig.set_scanout(0, 1, WHOLE), OK);
        rig.rest();
        let held = rig.device.display_mut().held.take().unwrap();

        assert_eq!(rig.unref(1), OK);

        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(rig.journal.resources(), []);
        painted(&mut rig, 1, 9);
        assert_eq!(rig.set_scanout(0, 1, WHOLE), OK);
        rig.rest();
        assert_eq!(rig.shared_frames().pop().unwrap().1, [9; 64]);
    }
}

#[test]
fn only_what_will_be_scanned_out_is_an_image() {
    let others = [
        picture(1, 8, 8),
        ResourceCreate3d {
            bind: SCANOUT,
            ..buffer(1, 64)
        },
        ResourceCreate3d {
            bind: SCANOUT,
            samples: 4,
            ..picture(1, 8, 8)
        },
        ResourceCreate3d {
            bind: SCANOUT,
            last_level: 1,
            ..picture(1, 8, 8)
        },
        // Its first row is the last in memory.
        ResourceCreate3d {
            bind: SCANOUT,
            flags: 1,
            ..picture(1, 8, 8)
        },
    ];
    for other in others {
        for mut rig in each() {
            assert_eq!(rig.call_in(0, &Command::ResourceCreate3d(other)), OK);
            assert_eq!(calls(&rig), [0, 1, 0, 0], "{other:?}");
        }
    }
}

#[test]
fn a_renderer_that_does_not_share_allocates_by_itself() {
    for mut rig in Rig3d::each() {
        let asked = with_images(&mut rig, true);

        assert_eq!(rig.call_in(0, &scanned_out(1)), OK);

        assert_eq!(asked.load(Ordering::Relaxed), 0);
        assert_eq!(calls(&rig), [0, 1, 0, 0]);
    }
}

#[test]
fn without_memory_here_the_renderer_allocates_and_shares() {
    for mut rig in each() {
        let asked = with_images(&mut rig, false);

        painted(&mut rig, 1, 6);
        assert_eq!(rig.set_scanout(0, 1, WHOLE), OK);
        rig.rest();

        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(rig.shared_frames(), [(vec![WHOLE], vec![6; 64])]);
        assert_eq!(calls(&rig), [0, 1, 1, 0]);
    }
}

#[test]
fn commands_right_behind_an_import_that_is_refused_find_the_resource() {
    let mut rig = Rig3d::sharing(Placement::Thread, 1);
    with_images(&mut rig, true);
    assert_eq!(rig.create_context(1), OK);
    let refused = RenderError::Impossible("planned");
    rig.journal.fail_next(Method::Import, refused);
    rig.journal.pause();
    let (resource, colour) = (RendererResource(1), 4);
    let fill = stream(&[Order::Fill { resource, colour }]);
    rig.begin(0, &scanned_out(1), Fence::None);
    rig.begin(1, &ctx_attach(1), Fence::None);
    rig.begin(1, &submit(&fill), Fence::None);
    let set = Command::SetScanout {
        rect: WHOLE,
        scanout: ScanoutId(0),
        resource: Some(ResourceId(1)),
    };
    rig.begin(0, &set, Fence::None);
    rig.begin(0, &flush(1, WHOLE), Fence::None);

    rig.journal.resume();

    let answers = rig.wait_for(5);
    assert!(answers.iter().all(|answer| answer.outcome() == OK));
    rig.rest();
    assert_eq!(rig.shared_frames().pop().unwrap().1, [4; 64]);
    assert_eq!(calls(&rig)[2], 1, "it is shared as any other");
}

#[test]
fn where_neither_works_the_guest_is_told_and_nothing_stays() {
    for mut rig in each() {
        let refused = || RenderError::OutOfMemory(RendererResource(1));
        rig.journal.fail_next(Method::Import, refused());
        rig.journal.fail_next(Method::CreateResource, refused());

        assert_eq!(rig.call_in(0, &scanned_out(1)), OUT_OF_MEMORY);

        assert!(rig.device.backend().resources().is_empty());
        assert_eq!(rig.device.backend().resources().renderer_bytes(), 0);
        assert_eq!(rig.call_in(0, &scanned_out(1)), OK);
    }
}

#[test]
fn a_display_that_refuses_gets_copies_and_no_more_images_are_made() {
    for mut rig in each() {
        rig.device.display_mut().dma_bufs = DmaBufs::Refused;
        painted(&mut rig, 1, 6);
        assert_eq!(rig.set_scanout(0, 1, WHOLE), OK);
        rig.rest();
        assert_eq!(rig.frames(), [(vec![WHOLE], vec![6; 64])]);
        rig.journal.take_calls();

        assert_eq!(rig.call_in(0, &scanned_out(2)), OK);

        assert_eq!(calls(&rig), [0, 1, 0, 0]);
    }
}

#[test]
fn what_is_shared_has_a_limit_and_more_is_copied() {
    let mut limits = Limits::default();
    limits.shared_resources = 2;
    for placement in [Placement::Inline, Placement::Thread] {
        let mut rig = Rig3d::sharing_with(placement, 1, limits.clone());
        with_images(&mut rig, true);
        painted(&mut rig, 1, 1);
        rig.painted(2, 8, 8, 2);
        assert_eq!(rig.set_scanout(0, 2, WHOLE), OK);
        rig.rest();
        assert_eq!(rig.shared_frames().pop().unwrap().1, [2; 64]);
        rig.journal.take_calls();

        painted(&mut rig, 3, 3);
        assert_eq!(rig.set_scanout(0, 3, WHOLE), OK);
        rig.rest();
        assert_eq!(rig.frames().pop().unwrap().1, [3; 64]);
        let [imports, _, shares, reads] = calls(&rig);
        assert_eq!((imports, shares, reads), (0, 0, 1));

        assert_eq!(rig.unref(1), OK);
        painted(&mut rig, 4, 4);
        assert_eq!(calls(&rig)[0], 1, "there is room again");
    }
}
