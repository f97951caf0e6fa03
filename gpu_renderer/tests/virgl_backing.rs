//! Guest memory behind resources: what is copied where, and when it is let go.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used
)]

mod virgl_support;

use std::sync::Arc;

use gpu_renderer::testing::stream::{Stream, bind};
use gpu_renderer::virgl::VirglRenderer;
use gpu_renderer::{Box3, ContextId, Direction, RenderError, Renderer, ResourceId, Transfer};
use virgl_support::{
    backing, bytes, clear, context, guest_memory, picture, pixels, read_guest, resource, row,
    still_works, with_renderer, write_guest,
};
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, MmapRegion};

const NOWHERE: ContextId = ContextId(99);

#[test]
fn new_memory_is_zero() {
    with_renderer(|renderer| {
        let memory = guest_memory(0x4000);
        // CVE-2022-0175 was the first of these. A staging buffer is the
        // guest's own memory.
        for (id, bind) in (1..).zip([bind::CUSTOM, bind::VERTEX_BUFFER, 1 << 6, 0]) {
            let resource = ResourceId(id);
            renderer
                .create_resource(resource, &bytes(0x1000, bind))
                .expect("resource");
            write_guest(&memory, 0, &[0xaa; 0x1000]);
            renderer
                .attach_backing(resource, backing(&memory, &[(0, 0x1000)]))
                .expect("backing");
            renderer.transfer(&row(resource, 0x1000)).expect("read");

            assert_eq!(read_guest(&memory, 0, 0x1000), [0; 0x1000], "{bind:#x}");
            renderer.destroy_resource(resource).expect("destroyed");
        }
    });
}

#[test]
fn a_transfer_needs_a_backing_and_a_context_that_may() {
    with_renderer(|renderer| {
        let user = context(renderer, 1);
        let stranger = context(renderer, 2);
        let resource = resource(renderer, user, 1, &picture(4, 4));
        let memory = guest_memory(0x1000);

        assert_eq!(
            renderer.transfer(&row(resource, 4)),
            Err(RenderError::Backing(resource))
        );
        renderer
            .attach_backing(resource, backing(&memory, &[(0, 64)]))
            .expect("backing");
        let by = |context| Transfer {
            context: Some(context),
            ..row(resource, 4)
        };
        assert_eq!(renderer.transfer(&by(user)), Ok(()));
        assert_eq!(
            renderer.transfer(&by(stranger)),
            Err(RenderError::UnknownResource(resource))
        );
        assert_eq!(
            renderer.transfer(&by(NOWHERE)),
            Err(RenderError::UnknownContext(NOWHERE))
        );
        // The stranger is not in trouble for it.
        renderer.submit(stranger, &mut [0]).expect("submit");
    });
}

#[test]
fn impossible_transfers_are_refused_in_both_directions() {
    with_renderer(|renderer| {
        let resource = ResourceId(1);
        renderer
            .create_resource(resource, &picture(16, 16))
            .expect("resource");
        let memory = guest_memory(0x1000);
        write_guest(&memory, 0, &[0xaa; 0x1000]);
        renderer
            .attach_backing(resource, backing(&memory, &[(0, 512), (0x800, 512)]))
            .expect("backing");
        let good = row(resource, 16);
        let wide = |x, width| Transfer {
            region: Box3 {
                x,
                width,
                ..good.region
            },
            ..good
        };
        let deep = |z, depth| Transfer {
            region: Box3 {
                z,
                depth,
                ..good.region
            },
            ..good
        };
        for refused in [
            Transfer { level: 1, ..good },
            Transfer {
                level: u32::MAX,
                ..good
            },
            wide(1, 16),
            wide(u32::MAX, 2),
            wide(0, 0),
            wide(0, u32::MAX),
            deep(0, 0),
            deep(0, u32::MAX),
            deep(1, 1),
            Transfer { stride: 1, ..good },
            Transfer {
                layer_stride: 1,
                ..good
            },
            Transfer {
                offset: 1024 - 63,
                ..good
            },
            Transfer {
                offset: u64::MAX,
                ..good
            },
        ] {
            for direction in [Direction::ToHost, Direction::FromHost] {
                let refused = Transfer {
                    direction,
                    ..refused
                };
                let result = renderer.transfer(&refused);
                assert!(
                    matches!(result, Err(RenderError::Impossible(_))),
                    "{refused:?}: {result:?}"
                );
            }
        }
        assert_eq!(read_guest(&memory, 0, 0x1000), [0xaa; 0x1000]);
        assert_eq!(pixels(renderer, resource, 16, 16), [[0; 4]; 256]);
    });
}

#[test]
fn a_backing_is_one_and_of_guest_memory() {
    with_renderer(|renderer| {
        let resource = ResourceId(1);
        renderer
            .create_resource(resource, &picture(4, 4))
            .expect("resource");
        let memory = guest_memory(0x1000);
        let list = backing(&memory, &[(0, 64)]);
        let mut gone = list.clone();
        assert!(!gone.remap(&GuestMemoryMmap::default()));

        assert_eq!(
            renderer.attach_backing(resource, gone),
            Err(RenderError::Backing(resource))
        );
        renderer
            .attach_backing(resource, list.clone())
            .expect("backing");
        assert_eq!(
            renderer.attach_backing(resource, list.clone()),
            Err(RenderError::Backing(resource))
        );
        renderer.detach_backing(resource).expect("detached");
        renderer.detach_backing(resource).expect("nothing to do");
        renderer.attach_backing(resource, list).expect("again");
        renderer.transfer(&row(resource, 4)).expect("read");
    });
}

#[test]
fn an_empty_backing_holds_nothing() {
    with_renderer(|renderer| {
        let resource = ResourceId(1);
        renderer
            .create_resource(resource, &bytes(64, bind::CUSTOM))
            .expect("resource");
        let memory = guest_memory(0x1000);

        renderer
            .attach_backing(resource, backing(&memory, &[]))
            .expect("backing");
        let result = renderer.transfer(&row(resource, 1));

        assert!(matches!(result, Err(RenderError::Impossible(_))));
        renderer.detach_backing(resource).expect("detached");
        renderer.destroy_resource(resource).expect("destroyed");
    });
}

#[test]
fn four_gigabytes_of_backing_are_refused() {
    with_renderer(|renderer| {
        let resource = ResourceId(1);
        renderer
            .create_resource(resource, &picture(4, 4))
            .expect("resource");
        let memory = guest_memory(1 << 20);
        // 4096 times the same mebibyte.
        let ranges = vec![(0, 1 << 20); 4096];

        let result = renderer.attach_backing(resource, backing(&memory, &ranges));
        assert!(matches!(result, Err(RenderError::Impossible(_))));

        renderer
            .attach_backing(resource, backing(&memory, &ranges[1..]))
            .expect("one less");
    });
}

/// How many hold on to the guest's memory.
fn holders(memory: &GuestMemoryMmap) -> usize {
    let mapping: Arc<MmapRegion> = memory
        .find_region(GuestAddress(0))
        .expect("region")
        .get_mmap();
    Arc::strong_count(&mapping)
}

#[test]
fn guest_memory_is_let_go_when_it_should_be() {
    with_renderer(|renderer| {
        let memory = guest_memory(0x1000);
        let nobody = holders(&memory);
        let attach = |renderer: &mut VirglRenderer, id| {
            let resource = ResourceId(id);
            renderer
                .create_resource(resource, &picture(4, 4))
                .expect("resource");
            renderer
                .attach_backing(resource, backing(&memory, &[(0, 64)]))
                .expect("backing");
            resource
        };

        let resource = attach(renderer, 1);
        assert!(holders(&memory) > nobody);
        renderer.detach_backing(resource).expect("detached");
        assert_eq!(holders(&memory), nobody, "after detach");

        let resource = attach(renderer, 2);
        renderer.destroy_resource(resource).expect("destroyed");
        assert_eq!(holders(&memory), nobody, "after destroy");

        let resource = attach(renderer, 3);
        attach(renderer, 4);
        renderer.revoke();
        assert_eq!(holders(&memory), nobody, "after revoke");
        assert_eq!(
            renderer.transfer(&row(resource, 4)),
            Err(RenderError::Backing(resource))
        );

        attach(renderer, 5);
        renderer.reset();
        assert_eq!(holders(&memory), nobody, "after reset");
    });
}

#[test]
fn ranges_stay_where_the_library_looks_for_them() {
    with_renderer(|renderer| {
        let memory = guest_memory(0x10000);
        let context = context(renderer, 1);
        // Tables grow and move meanwhile.
        for id in 1..=1000u32 {
            let resource = resource(renderer, context, id, &bytes(16, bind::CUSTOM));
            let address = u64::from(id) * 32;
            renderer
                .attach_backing(
                    resource,
                    backing(&memory, &[(address, 8), (address + 16, 8)]),
                )
                .expect("backing");
        }
        for id in (1..=1000).step_by(2) {
            renderer
                .destroy_resource(ResourceId(id))
                .expect("destroyed");
        }

        for id in (2..=1000u32).step_by(2) {
            renderer.transfer(&row(ResourceId(id), 16)).expect("read");
        }
        still_works(renderer);
    });
}

#[test]
fn a_resource_in_use_by_a_context_can_go() {
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let memory = guest_memory(0x1000);
        let resource = resource(renderer, context, 7, &picture(4, 4));
        renderer
            .attach_backing(resource, backing(&memory, &[(0, 64)]))
            .expect("backing");
        clear(renderer, context, resource);

        renderer.destroy_resource(resource).expect("destroyed");
        drop(memory);
        // It is still the context's framebuffer.
        let mut again = Stream::new();
        again.clear([1.0; 4]);
        renderer
            .submit(context, &mut again.into_words())
            .expect("submit");
        renderer.destroy_context(context).expect("destroyed");
        still_works(renderer);
    });
}
