//! What a guest may ask that makes no sense: an error, and then all goes on.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used
)]

mod virgl_support;

use gpu_renderer::{
    CapsetId, ContextArgs, ContextId, FenceId, RenderError, Renderer, ResourceArgs, ResourceId,
    Timeline,
};
use virgl_support::{
    backing, clear, context, guest_memory, picture, pixels, resource, row, still_works,
    with_renderer,
};

const NOWHERE: ContextId = ContextId(99);
const NOTHING: ResourceId = ResourceId(99);

#[test]
fn unknown_ids_are_told_apart() {
    with_renderer(|renderer| {
        let known = context(renderer, 1);
        let resource = resource(renderer, known, 1, &picture(4, 4));
        let memory = guest_memory(0x1000);

        let no_context = Err(RenderError::UnknownContext(NOWHERE));
        assert_eq!(renderer.destroy_context(NOWHERE), no_context);
        assert_eq!(renderer.attach_resource(NOWHERE, resource), no_context);
        assert_eq!(renderer.detach_resource(NOWHERE, resource), no_context);
        assert_eq!(renderer.submit(NOWHERE, &mut [0]), no_context);
        let line = Timeline::Context {
            context: NOWHERE,
            ring: 0,
        };
        assert_eq!(renderer.create_fence(line, FenceId(1)), no_context);

        let no_resource = Err(RenderError::UnknownResource(NOTHING));
        assert_eq!(renderer.attach_resource(known, NOTHING), no_resource);
        assert_eq!(renderer.detach_resource(known, NOTHING), no_resource);
        assert_eq!(renderer.destroy_resource(NOTHING), no_resource);
        assert_eq!(renderer.detach_backing(NOTHING), no_resource);
        let list = backing(&memory, &[(0, 64)]);
        assert_eq!(renderer.attach_backing(NOTHING, list), no_resource);
        assert_eq!(renderer.transfer(&row(NOTHING, 4)), no_resource);
        still_works(renderer);
    });
}

#[test]
fn ids_are_used_once_and_never_zero() {
    with_renderer(|renderer| {
        let context = context(renderer, 5);
        let resource = resource(renderer, context, 5, &picture(4, 4));
        clear(renderer, context, resource);

        for taken in [context, ContextId(0)] {
            assert_eq!(
                renderer.create_context(taken, &ContextArgs::default()),
                Err(RenderError::ContextIdTaken(taken))
            );
        }
        for taken in [resource, ResourceId(0)] {
            assert_eq!(
                renderer.create_resource(taken, &picture(8, 8)),
                Err(RenderError::ResourceIdTaken(taken))
            );
        }

        // The first one is what it was.
        assert_eq!(pixels(renderer, resource, 4, 4), [[0, 255, 0, 255]; 16]);
    });
}

#[test]
fn the_largest_ids_are_ids_like_any_other() {
    with_renderer(|renderer| {
        for id in [0x7fff_ffff, 0x8000_0000, u32::MAX] {
            let context = context(renderer, id);
            let resource = resource(renderer, context, id, &picture(4, 4));
            clear(renderer, context, resource);
            assert_eq!(pixels(renderer, resource, 4, 4), [[0, 255, 0, 255]; 16]);
        }
    });
}

#[test]
fn a_context_speaks_a_set_that_is_offered() {
    with_renderer(|renderer| {
        let speaking = |capset| ContextArgs {
            name: Vec::new(),
            capset: Some(CapsetId(capset)),
        };

        renderer
            .create_context(ContextId(1), &speaking(1))
            .expect("virgl");
        renderer
            .create_context(ContextId(2), &speaking(2))
            .expect("virgl2");
        for unknown in [0, 3, 4, 6, 255, 256, 258, u32::MAX] {
            let result = renderer.create_context(ContextId(3), &speaking(unknown));
            assert!(
                matches!(result, Err(RenderError::Impossible(_))),
                "{unknown}"
            );
        }
    });
}

#[test]
fn a_name_may_be_anything() {
    with_renderer(|renderer| {
        let names = [vec![], vec![0; 5], vec![0xff; 64], vec![b'%'; 10_000]];
        for (id, name) in (1..).zip(names) {
            let args = ContextArgs { name, capset: None };
            renderer.create_context(ContextId(id), &args).expect("made");
        }
        still_works(renderer);
    });
}

#[test]
fn impossible_resources_are_refused() {
    with_renderer(|renderer| {
        let whole = picture(16, 16);
        let refused = [
            ResourceArgs { target: 9, ..whole },
            ResourceArgs {
                target: u32::MAX,
                ..whole
            },
            ResourceArgs {
                format: u32::MAX,
                ..whole
            },
            ResourceArgs {
                bind: u32::MAX,
                ..whole
            },
            ResourceArgs {
                flags: u32::MAX,
                ..whole
            },
            ResourceArgs { width: 0, ..whole },
            ResourceArgs {
                array_size: u32::MAX,
                ..whole
            },
            ResourceArgs {
                last_level: 32,
                ..whole
            },
            ResourceArgs {
                samples: 1 << 31,
                ..whole
            },
            // CVE-2022-0135
            ResourceArgs {
                target: 7,
                samples: 4,
                array_size: 2,
                ..whole
            },
        ];
        for args in refused {
            let result = renderer.create_resource(ResourceId(1), &args);
            assert!(
                matches!(result, Err(RenderError::Impossible(_))),
                "{args:?}: {result:?}"
            );
        }
        // Known to us, but nothing that the library can bind.
        let odd = ResourceArgs {
            bind: 1 << 18,
            ..whole
        };
        let result = renderer.create_resource(ResourceId(1), &odd);
        assert!(
            matches!(result, Err(RenderError::Refused { .. })),
            "{result:?}"
        );

        renderer
            .create_resource(ResourceId(1), &whole)
            .expect("free");
        still_works(renderer);
    });
}

#[test]
fn a_resource_beyond_all_memory_costs_nothing() {
    with_renderer(|renderer| {
        let id = ResourceId(1);
        let too_big = picture(32768, 32768);
        // 3 GiB: more than the software rasteriser's limit.
        let for_a_gpu = ResourceArgs {
            target: 7,
            array_size: 3,
            ..picture(16384, 16384)
        };

        assert_eq!(
            renderer.create_resource(id, &too_big),
            Err(RenderError::OutOfMemory(id))
        );
        if renderer.description().contains("llvmpipe") {
            assert_eq!(
                renderer.create_resource(id, &for_a_gpu),
                Err(RenderError::OutOfMemory(id))
            );
        }
        still_works(renderer);
    });
}

#[test]
fn after_a_reset_all_ids_are_free() {
    with_renderer(|renderer| {
        let memory = guest_memory(0x1000);
        for _ in 0..3 {
            let context = context(renderer, 1);
            let resource = resource(renderer, context, 1, &picture(4, 4));
            renderer
                .attach_backing(resource, backing(&memory, &[(0, 64)]))
                .expect("backing");
            clear(renderer, context, resource);
            assert_eq!(pixels(renderer, resource, 4, 4), [[0, 255, 0, 255]; 16]);

            renderer.reset();

            assert_eq!(
                renderer.destroy_context(context),
                Err(RenderError::UnknownContext(context))
            );
            assert_eq!(
                renderer.destroy_resource(resource),
                Err(RenderError::UnknownResource(resource))
            );
        }
        still_works(renderer);
    });
}
