//! What others hand us is looked at before it is mapped.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use gpu_buffer::access::wait_idle;
use gpu_buffer::{
    Access, Allocator, AnonymousAllocator, DrmFourcc, DrmModifier, Error, ExportedImage,
    ExportedPlane, Image, ImageRequest, ImportOptions, MemfdAllocator, PlanePlace, Rect, Unsealed,
    Usage, import,
};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc::O_PATH;
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::memfd::{MFdFlags, memfd_create};
use vm_memory::VolatileSlice;

const READ: ImportOptions = ImportOptions {
    access: Access::Read,
    unsealed: Unsealed::Refuse,
};
const WRITE: ImportOptions = ImportOptions {
    access: Access::Write,
    ..READ
};

fn memfd(bytes: u64, seals: SealFlag) -> File {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file = File::from(memfd_create(c"test", flags).unwrap());
    file.set_len(bytes).unwrap();
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    file
}

/// 64x64 pixels of 4 bytes: 16,384 bytes.
fn picture(fd: impl Into<OwnedFd>) -> ExportedImage {
    ExportedImage {
        width: 64,
        height: 64,
        format: DrmFourcc::Xrgb8888,
        modifier: DrmModifier::Linear,
        planes: vec![ExportedPlane {
            fd: fd.into(),
            place: PlanePlace {
                offset: 0,
                stride: 256,
            },
        }],
    }
}

fn byte(image: &Image, x: u32, y: u32) -> u8 {
    let mut bytes = [0_u8; 4];
    let slice = VolatileSlice::from(&mut bytes[..]);
    image.read(0, Rect::new(x, y, 1, 1), &slice, 4).unwrap();
    bytes[0]
}

#[test]
fn a_sealed_memory_file_is_shared_in_both_directions() {
    let file = memfd(16384, SealFlag::F_SEAL_SHRINK);
    let image = import(picture(file.try_clone().unwrap()), WRITE).unwrap();

    file.write_all_at(&[7], 16380).unwrap();
    assert_eq!(byte(&image, 63, 63), 7);

    let mapped = image.map(0, Rect::new(1, 0, 1, 1), Access::Write).unwrap();
    mapped.memory().copy_from(&[9_u8]);
    drop(mapped);
    let mut seen = [0];
    file.read_exact_at(&mut seen, 4).unwrap();
    assert_eq!(seen, [9]);
}

#[test]
fn a_memory_file_that_could_shrink_is_refused_unless_it_is_guarded() {
    let file = || memfd(16384, SealFlag::F_SEAL_GROW);

    assert!(matches!(
        import(picture(file()), READ),
        Err(Error::NotSealed)
    ));
    let guarded = ImportOptions {
        unsealed: Unsealed::Guard,
        ..READ
    };
    assert!(import(picture(file()), guarded).is_ok());
}

#[test]
fn a_file_sealed_against_writing_can_be_read_and_not_written() {
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_WRITE;
    let image = import(picture(memfd(16384, seals)), READ).unwrap();

    assert_eq!(byte(&image, 0, 0), 0);
    let pixel = Rect::new(0, 0, 1, 1);
    assert!(matches!(
        image.map(0, pixel, Access::Write),
        Err(Error::ReadOnly)
    ));
    assert!(matches!(
        import(picture(memfd(16384, seals)), WRITE),
        Err(Error::Map { .. })
    ));
}

#[test]
fn a_file_shorter_than_the_picture_is_refused_with_both_sizes() {
    let file = memfd(16383, SealFlag::F_SEAL_SHRINK);

    assert!(matches!(
        import(picture(file), READ),
        Err(Error::FileTooShort {
            needed: 16384,
            available: 16383
        })
    ));
}

#[test]
fn a_plane_beyond_the_end_is_refused_whatever_its_offset() {
    for offset in [1, 16384, u64::MAX - 16384] {
        let mut exported = picture(memfd(16384, SealFlag::F_SEAL_SHRINK));
        exported.planes[0].place.offset = offset;

        assert!(
            matches!(
                import(exported, READ),
                Err(Error::FileTooShort { .. } | Error::BufferTooLarge { .. })
            ),
            "{offset}"
        );
    }
}

#[test]
fn files_of_other_kinds_are_no_buffers() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let path_only = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(O_PATH)
        .open("/proc/self/exe")
        .unwrap();
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    let others: [(&str, OwnedFd); 6] = [
        ("epoll", epoll.0),
        ("pipe", reader.into()),
        ("folder", File::open("/").unwrap().into()),
        ("device", File::open("/dev/zero").unwrap().into()),
        ("program", File::open("/proc/self/exe").unwrap().into()),
        ("path", path_only.into()),
    ];
    for (name, fd) in others {
        assert!(
            matches!(
                import(picture(fd), READ),
                Err(Error::NotABuffer | Error::NotSealed)
            ),
            "{name}"
        );
    }
}

#[test]
fn huge_pages_are_refused_whatever_their_seals() {
    let flags = MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_HUGETLB;
    let Ok(fd) = memfd_create(c"test", flags) else {
        println!("SKIP: this kernel has no huge pages");
        return;
    };
    let file = File::from(fd);
    // A multiple of every size of huge pages that is in use.
    file.set_len(1 << 30).unwrap();
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK)).unwrap();

    for unsealed in [Unsealed::Refuse, Unsealed::Guard] {
        let options = ImportOptions { unsealed, ..READ };
        let imported = import(picture(file.try_clone().unwrap()), options);
        assert!(matches!(imported, Err(Error::HugePages)), "{imported:?}");
    }
}

#[test]
fn only_linear_pictures_are_mapped() {
    for modifier in [DrmModifier::Invalid, DrmModifier::I915_x_tiled] {
        let mut exported = picture(memfd(16384, SealFlag::F_SEAL_SHRINK));
        exported.modifier = modifier;

        assert!(matches!(
            import(exported, READ),
            Err(Error::NotLinear { .. })
        ));
    }
}

#[test]
fn the_number_of_planes_is_the_formats() {
    let mut exported = picture(memfd(16384, SealFlag::F_SEAL_SHRINK));
    exported.format = DrmFourcc::Nv12;

    assert!(matches!(
        import(exported, READ),
        Err(Error::PlaneCount {
            expected: 2,
            got: 1,
            ..
        })
    ));
}

fn nv12(usage: Usage) -> ImageRequest {
    ImageRequest {
        width: 16,
        height: 8,
        format: DrmFourcc::Nv12,
        usage,
        modifiers: Vec::new(),
    }
}

#[test]
fn an_exported_image_is_the_same_memory_elsewhere() {
    let image = MemfdAllocator.create(&nv12(Usage::LINEAR)).unwrap();
    let elsewhere = import(image.export().unwrap(), READ).unwrap();

    for (plane, value) in [(0, 3_u8), (1, 4)] {
        let mapped = image.map(plane, Rect::new(1, 1, 1, 1), Access::Write);
        mapped.unwrap().memory().copy_from(&[value]);
    }

    for (plane, value) in [(0, 3_u8), (1, 4)] {
        let mut bytes = [0_u8; 4];
        let slice = VolatileSlice::from(&mut bytes[..]);
        let rect = Rect::new(1, 1, 1, 1);
        elsewhere.read(plane, rect, &slice, 4).unwrap();
        assert_eq!(bytes[0], value);
    }
}

#[test]
fn scanout_is_a_wish_whose_refusal_is_recorded_and_the_rest_are_demands() {
    let image = MemfdAllocator.create(&nv12(Usage::SCANOUT | Usage::LINEAR));
    assert_eq!(image.unwrap().usage(), Usage::LINEAR);

    for demand in [Usage::RENDERING, Usage::CURSOR] {
        assert!(matches!(
            MemfdAllocator.create(&nv12(demand)),
            Err(Error::UnsupportedUse { usage, .. }) if usage == demand
        ));
    }
    let mut tiled = nv12(Usage::empty());
    tiled.modifiers = vec![DrmModifier::I915_x_tiled];
    assert!(matches!(
        MemfdAllocator.create(&tiled),
        Err(Error::UnsupportedModifiers { .. })
    ));
    tiled.modifiers.push(DrmModifier::Linear);
    assert!(MemfdAllocator.create(&tiled).is_ok());
}

#[test]
fn private_memory_cannot_be_exported() {
    let image = AnonymousAllocator.create(&nv12(Usage::LINEAR)).unwrap();

    assert!(matches!(image.export(), Err(Error::NotShareable)));
    assert!(matches!(
        image.export_plane(2),
        Err(Error::NoSuchPlane { .. })
    ));
}

#[test]
fn waiting_ends_when_the_fence_has_passed_or_at_the_limit() {
    // A pipe has what a dma-buf has for this: it is readable once its writer has written.
    let (reader, mut writer) = std::io::pipe().unwrap();
    let start = Instant::now();

    let limit = Duration::from_millis(20);
    assert!(!wait_idle(reader.as_fd(), Access::Read, limit).unwrap());
    assert!(start.elapsed() >= limit);

    std::io::Write::write_all(&mut writer, b"x").unwrap();
    assert!(wait_idle(reader.as_fd(), Access::Read, Duration::from_secs(10)).unwrap());
    assert!(wait_idle(reader.as_fd(), Access::Read, Duration::ZERO).unwrap());
}
