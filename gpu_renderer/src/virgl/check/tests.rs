//! Sizes are counted by hand.
#![allow(clippy::arithmetic_side_effects)]

use super::*;
use crate::ResourceId;

const B8G8R8A8: u32 = 1;
const R8: u32 = 64;
const DXT1: u32 = 105;
const R32G32B32A32_FLOAT: u32 = 31;

fn picture(width: u32, height: u32) -> ResourceArgs {
    ResourceArgs {
        target: 2,
        format: B8G8R8A8,
        bind: 1 << 1 | 1 << 3,
        width,
        height,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: 0,
    }
}

fn bytes(width: u32) -> ResourceArgs {
    ResourceArgs {
        target: 0,
        format: R8,
        bind: 1 << 4,
        ..picture(width, 1)
    }
}

fn is_possible(args: ResourceArgs) -> bool {
    resource(&args).is_ok()
}

fn move_of(region: Box3) -> Transfer {
    Transfer {
        direction: Direction::ToHost,
        context: None,
        resource: ResourceId(1),
        level: 0,
        stride: 0,
        layer_stride: 0,
        region,
        offset: 0,
    }
}

fn area(x: u32, y: u32, width: u32, height: u32) -> Box3 {
    Box3 {
        x,
        y,
        z: 0,
        width,
        height,
        depth: 1,
    }
}

fn allows(args: ResourceArgs, move_: Transfer, backing: u64) -> bool {
    let block = resource(&args).expect("possible");
    transfer(&args, block, &move_, backing).is_ok()
}

#[test]
fn ordinary_resources_are_possible() {
    for args in [
        picture(1, 1),
        picture(1920, 1080),
        ResourceArgs {
            flags: 7,
            ..picture(64, 64)
        },
        ResourceArgs {
            last_level: 6,
            ..picture(64, 40)
        },
        ResourceArgs {
            samples: 4,
            ..picture(64, 64)
        },
        ResourceArgs {
            target: 1,
            ..picture(64, 1)
        },
        ResourceArgs {
            target: 3,
            depth: 16,
            ..picture(16, 16)
        },
        ResourceArgs {
            target: 4,
            array_size: 6,
            ..picture(16, 16)
        },
        ResourceArgs {
            target: 5,
            ..picture(16, 8)
        },
        ResourceArgs {
            target: 6,
            array_size: 9,
            ..picture(16, 1)
        },
        ResourceArgs {
            target: 7,
            array_size: 9,
            ..picture(16, 8)
        },
        ResourceArgs {
            target: 8,
            array_size: 12,
            ..picture(16, 16)
        },
        bytes(1),
        bytes(1 << 20),
        ResourceArgs {
            bind: 1 << 17,
            ..bytes(16)
        },
    ] {
        assert!(is_possible(args), "{args:?}");
    }
}

#[test]
fn a_resource_has_texels() {
    let whole = picture(4, 4);
    assert!(!is_possible(ResourceArgs { width: 0, ..whole }));
    assert!(!is_possible(ResourceArgs { height: 0, ..whole }));
    assert!(!is_possible(ResourceArgs { depth: 0, ..whole }));
    assert!(!is_possible(ResourceArgs {
        array_size: 0,
        ..whole
    }));
    assert!(!is_possible(ResourceArgs {
        array_size: u32::MAX,
        ..whole
    }));
}

#[test]
fn a_target_has_its_own_sizes() {
    let whole = picture(16, 16);
    for (target, depth, array_size) in [
        (2, 2, 1),
        (2, 1, 2),
        (3, 4, 2),
        (4, 1, 5),
        (4, 2, 6),
        (7, 2, 3),
        (8, 1, 7),
    ] {
        let args = ResourceArgs {
            target,
            depth,
            array_size,
            ..whole
        };
        assert!(!is_possible(args), "{args:?}");
    }
    let not_square = ResourceArgs {
        target: 4,
        array_size: 6,
        ..picture(16, 8)
    };
    assert!(!is_possible(not_square));
    for target in [0, 1, 6] {
        let tall = ResourceArgs {
            target,
            ..picture(16, 2)
        };
        assert!(!is_possible(tall), "{tall:?}");
    }
    for target in [9, 10, 255, u32::MAX] {
        assert!(!is_possible(ResourceArgs { target, ..whole }));
    }
}

#[test]
fn unknown_bits_are_refused() {
    let whole = picture(4, 4);
    assert!(!is_possible(ResourceArgs {
        bind: u32::MAX,
        ..whole
    }));
    for bit in [9, 10, 12, 13, 23] {
        let args = ResourceArgs {
            bind: whole.bind | 1 << bit,
            ..whole
        };
        assert!(!is_possible(args), "{bit}");
    }
    for flags in [8, 1 << 31, u32::MAX] {
        assert!(!is_possible(ResourceArgs { flags, ..whole }), "{flags}");
    }
    let volume = ResourceArgs {
        target: 3,
        depth: 4,
        flags: 1,
        ..whole
    };
    assert!(!is_possible(volume));
}

#[test]
fn formats_are_known() {
    for format in [166, 314, 4096, u32::MAX] {
        assert!(!is_possible(ResourceArgs {
            format,
            ..picture(4, 4)
        }));
    }
}

#[test]
fn levels_end_with_one_texel() {
    // 64, 32, 16, 8, 4, 2, 1
    assert!(is_possible(ResourceArgs {
        last_level: 6,
        ..picture(64, 1)
    }));
    assert!(!is_possible(ResourceArgs {
        last_level: 7,
        ..picture(64, 1)
    }));
    assert!(!is_possible(ResourceArgs {
        last_level: 32,
        ..picture(64, 1)
    }));
    assert!(!is_possible(ResourceArgs {
        last_level: u32::MAX,
        ..picture(64, 1)
    }));
    assert!(!is_possible(ResourceArgs {
        last_level: 1,
        target: 5,
        ..picture(64, 64)
    }));
    assert!(!is_possible(ResourceArgs {
        last_level: 1,
        ..bytes(64)
    }));
}

#[test]
fn an_array_of_multisampled_textures_is_refused() {
    let array = ResourceArgs {
        target: 7,
        samples: 4,
        array_size: 2,
        ..picture(16, 16)
    };
    assert!(!is_possible(array));
    assert!(is_possible(ResourceArgs {
        samples: 0,
        ..array
    }));
    assert!(is_possible(ResourceArgs {
        array_size: 1,
        ..array
    }));
}

#[test]
fn samples_have_no_levels_and_a_limit() {
    let sampled = ResourceArgs {
        samples: 4,
        ..picture(16, 16)
    };
    assert!(!is_possible(ResourceArgs {
        last_level: 1,
        ..sampled
    }));
    assert!(!is_possible(ResourceArgs {
        samples: 1 << 31,
        ..sampled
    }));
    assert!(!is_possible(ResourceArgs {
        target: 3,
        ..sampled
    }));
    assert!(!is_possible(ResourceArgs {
        samples: 4,
        ..bytes(16)
    }));
}

#[test]
fn four_gigabytes_are_too_much() {
    // 32767 x 32767 x 4 = 4 294 705 156, 32768 x 32768 x 4 = 2^32.
    assert!(is_possible(picture(32767, 32767)));
    assert_eq!(resource(&picture(32768, 32768)), Err(Flaw::TooBig));
    // A third of it more in levels.
    let levels = ResourceArgs {
        last_level: 14,
        ..picture(32767, 32767)
    };
    assert_eq!(resource(&levels), Err(Flaw::TooBig));
    let layers = ResourceArgs {
        target: 7,
        array_size: 1 << 20,
        ..picture(64, 64)
    };
    assert_eq!(resource(&layers), Err(Flaw::TooBig));
    assert_eq!(
        Flaw::TooBig.error(ResourceId(3)),
        RenderError::OutOfMemory(ResourceId(3))
    );
}

#[test]
fn a_region_stays_in_its_level() {
    let args = ResourceArgs {
        last_level: 3,
        ..picture(64, 40)
    };
    let on = |level, region| {
        let mut move_ = move_of(region);
        move_.level = level;
        allows(args, move_, 1 << 20)
    };

    assert!(on(0, area(0, 0, 64, 40)));
    assert!(on(3, area(0, 0, 8, 5)));
    assert!(on(1, area(31, 19, 1, 1)));
    assert!(!on(4, area(0, 0, 1, 1)));
    assert!(!on(u32::MAX, area(0, 0, 1, 1)));
    assert!(!on(0, area(1, 0, 64, 40)));
    assert!(!on(3, area(0, 0, 8, 6)));
    assert!(!on(0, area(u32::MAX, 0, 2, 1)));
    assert!(!on(0, area(0, u32::MAX, 1, u32::MAX)));
}

#[test]
fn a_region_has_texels() {
    let args = picture(4, 4);
    for region in [
        area(0, 0, 0, 1),
        area(0, 0, 1, 0),
        Box3 {
            depth: 0,
            ..area(0, 0, 1, 1)
        },
        Box3 {
            depth: u32::MAX,
            ..area(0, 0, 1, 1)
        },
        Box3 {
            depth: 2,
            ..area(0, 0, 1, 1)
        },
        Box3 {
            z: 1,
            ..area(0, 0, 1, 1)
        },
    ] {
        assert!(!allows(args, move_of(region), 1 << 20), "{region:?}");
    }
}

#[test]
fn layers_are_slices_of_a_volume_and_members_of_an_array() {
    let volume = ResourceArgs {
        target: 3,
        depth: 8,
        last_level: 1,
        ..picture(8, 8)
    };
    let deep = |depth, level| {
        let mut move_ = move_of(Box3 {
            depth,
            ..area(0, 0, 4, 4)
        });
        move_.level = level;
        move_
    };
    assert!(allows(volume, deep(8, 0), 1 << 20));
    assert!(allows(volume, deep(4, 1), 1 << 20));
    assert!(!allows(volume, deep(5, 1), 1 << 20));

    let array = ResourceArgs {
        target: 7,
        array_size: 8,
        last_level: 1,
        ..picture(8, 8)
    };
    assert!(allows(array, deep(8, 1), 1 << 20));
    assert!(!allows(array, deep(9, 1), 1 << 20));
}

#[test]
fn all_bytes_are_in_the_backing() {
    let args = picture(16, 16);
    // Two rows of 64 bytes: one row before, and 3 texels of 4 bytes.
    let region = area(5, 5, 3, 2);
    assert!(allows(args, move_of(region), 64 + 12));
    assert!(!allows(args, move_of(region), 64 + 11));

    let far = Transfer {
        offset: 100,
        stride: 12,
        ..move_of(region)
    };
    assert!(allows(args, far, 100 + 12 + 12));
    assert!(!allows(args, far, 100 + 12 + 11));
    assert!(!allows(
        args,
        Transfer {
            offset: u64::MAX,
            ..far
        },
        1 << 20
    ));
    assert!(!allows(args, move_of(region), 0));
}

#[test]
fn layers_are_counted_in_64_bits() {
    // In 32 bits, 2 x 2^31 is nothing.
    let args = ResourceArgs {
        target: 7,
        array_size: 3,
        ..picture(4, 4)
    };
    let move_ = Transfer {
        layer_stride: 1 << 31,
        ..move_of(Box3 {
            depth: 3,
            ..area(0, 0, 4, 4)
        })
    };
    assert!(!allows(args, move_, 4096));
    assert!(allows(args, move_, (1 << 32) + 64));
}

#[test]
fn a_stride_is_no_shorter_than_what_it_passes_over() {
    let args = ResourceArgs {
        target: 7,
        array_size: 2,
        ..picture(16, 16)
    };
    let whole = move_of(Box3 {
        depth: 2,
        ..area(0, 0, 16, 16)
    });
    assert!(allows(args, whole, 2048));
    assert!(!allows(args, Transfer { stride: 1, ..whole }, 1 << 20));
    assert!(!allows(
        args,
        Transfer {
            stride: 63,
            ..whole
        },
        1 << 20
    ));
    assert!(!allows(
        args,
        Transfer {
            layer_stride: 1,
            ..whole
        },
        1 << 20
    ));
    assert!(!allows(
        args,
        Transfer {
            layer_stride: 1023,
            ..whole
        },
        1 << 20
    ));
    assert!(allows(
        args,
        Transfer {
            stride: 64,
            layer_stride: 1024,
            ..whole
        },
        2048
    ));
}

#[test]
fn compressed_blocks_stay_whole() {
    let args = ResourceArgs {
        format: DXT1,
        ..picture(10, 10)
    };
    // Three blocks of 8 bytes across and down.
    assert!(allows(args, move_of(area(0, 0, 10, 10)), 72));
    assert!(!allows(args, move_of(area(0, 0, 10, 10)), 71));
    assert!(allows(args, move_of(area(4, 8, 6, 2)), 16));
    assert!(!allows(args, move_of(area(2, 0, 4, 4)), 1 << 20));
    assert!(!allows(args, move_of(area(0, 2, 4, 4)), 1 << 20));
}

#[test]
fn multisampled_textures_are_not_transferred() {
    let args = ResourceArgs {
        samples: 4,
        ..picture(16, 16)
    };
    assert!(!allows(args, move_of(area(0, 0, 1, 1)), 1 << 20));
}

#[test]
fn a_buffer_of_large_texels_is_not_read_beyond_its_end() {
    // The library copies 16 bytes for each one that it is asked for.
    let args = ResourceArgs {
        format: R32G32B32A32_FLOAT,
        ..bytes(64)
    };
    let read = |x, width| Transfer {
        direction: Direction::FromHost,
        ..move_of(area(x, 0, width, 1))
    };
    assert!(allows(args, read(0, 4), 1 << 20));
    assert!(!allows(args, read(0, 5), 1 << 20));
    assert!(!allows(args, read(1, 4), 1 << 20));
    assert!(allows(bytes(64), read(0, 64), 64));
}

#[test]
fn a_buffer_in_guest_memory_ends_with_it() {
    for bind in [1 << 17, 1 << 19] {
        let args = ResourceArgs { bind, ..bytes(64) };
        assert!(allows(args, move_of(area(0, 0, 64, 1)), 64));
        assert!(!allows(args, move_of(area(32, 0, 8, 1)), 32), "{bind:x}");
        assert!(allows(args, move_of(area(24, 0, 8, 1)), 32), "{bind:x}");
    }
}
