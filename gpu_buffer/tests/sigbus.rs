//! Memory that its owner takes away while we read it. Each rule that may end the process is tried in
//! a process of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gpu_buffer::{
    Access, DrmFourcc, DrmModifier, Error, ExportedImage, ExportedPlane, Image, ImportOptions,
    PlanePlace, Rect, RegionGuard, Unsealed, import,
};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

const PAGE: u32 = 4096;
const PAGES: u32 = 4;

/// A file of 0xaa, and an image of it: one row of samples in each page.
fn shared() -> (File, Image) {
    let file = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap());
    file.set_len(u64::from(PAGE * PAGES)).unwrap();
    let exported = ExportedImage {
        width: PAGE,
        height: PAGES,
        format: DrmFourcc::R8,
        modifier: DrmModifier::Linear,
        planes: vec![ExportedPlane {
            fd: file.try_clone().unwrap().into(),
            place: PlanePlace {
                offset: 0,
                stride: PAGE,
            },
        }],
    };
    let options = ImportOptions {
        access: Access::Write,
        unsealed: Unsealed::Guard,
    };
    let image = import(exported, options).unwrap();
    let whole = Rect::from_size(PAGE, PAGES);
    let ones = vec![0xaa_u8; usize::try_from(PAGE * PAGES).unwrap()];
    let mapped = image.map(0, whole, Access::Write).unwrap();
    mapped.memory().copy_from(&ones[..]);
    drop(mapped);
    (file, image)
}

fn read_row(image: &Image, row: u32) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![1; usize::try_from(PAGE).unwrap()];
    let rect = Rect::new(0, row, PAGE, 1);
    image.read(
        0,
        rect,
        &VolatileSlice::from(&mut bytes[..]),
        u64::from(PAGE),
    )?;
    Ok(bytes)
}

#[test]
fn a_page_that_has_gone_reads_as_zero_and_the_image_is_dead() {
    let (file, image) = shared();
    let (other_file, other) = shared();
    assert_eq!(read_row(&image, 3).unwrap(), [0xaa; 4096]);

    file.set_len(u64::from(PAGE)).unwrap();

    // What is still there is still good.
    assert_eq!(read_row(&image, 0).unwrap(), [0xaa; 4096]);
    let mapped = image
        .map(0, Rect::new(0, 2, PAGE, 1), Access::Read)
        .unwrap();
    let mut bytes = vec![1_u8; 4096];
    mapped.memory().copy_to(&mut bytes[..]);
    assert_eq!(bytes, [0; 4096]);
    assert!(matches!(mapped.check(), Err(Error::Dead)));
    drop(mapped);
    assert!(matches!(read_row(&image, 0), Err(Error::Dead)));

    // Another image is none the worse.
    assert_eq!(read_row(&other, 3).unwrap(), [0xaa; 4096]);
    drop((other_file, image));
    assert_eq!(read_row(&other, 0).unwrap(), [0xaa; 4096]);
}

#[test]
fn a_copy_reports_that_its_memory_went_away() {
    let (file, image) = shared();
    file.set_len(0).unwrap();

    assert!(matches!(read_row(&image, 1), Err(Error::Dead)));
}

#[test]
fn a_guarded_region_of_a_guests_memory_says_that_it_died() {
    let file = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap());
    file.set_len(8192).unwrap();
    let offset = FileOffset::new(file.try_clone().unwrap(), 0);
    let region: Arc<MmapRegion> = Arc::new(MmapRegion::from_file(offset, 8192).unwrap());
    let guard = RegionGuard::new(Arc::clone(&region)).unwrap();
    let second = RegionGuard::new(Arc::clone(&region)).unwrap();
    let memory = region.as_volatile_slice();
    memory.copy_from(&[0xaa_u8; 8192]);

    file.set_len(4096).unwrap();
    let mut bytes = [1_u8; 4096];
    memory.copy_to(&mut bytes[..]);
    assert_eq!(bytes, [0xaa; 4096]);
    assert!(!guard.is_dead());

    memory.offset(4096).unwrap().copy_to(&mut bytes[..]);
    assert_eq!(bytes, [0; 4096]);
    assert!(guard.is_dead());
    assert!(second.is_dead(), "each guard is told");
}

#[test]
fn a_file_that_shrinks_and_grows_during_copies_ends_in_an_error() {
    let (file, image) = shared();
    let stop = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_secs(10);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                file.set_len(0).unwrap();
                file.set_len(u64::from(PAGE * PAGES)).unwrap();
            }
        });
        let result = loop {
            match read_row(&image, 1) {
                Ok(_) if Instant::now() < end => {}
                result => break result,
            }
        };
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(result, Err(Error::Dead)), "{result:?}");
    });
}

#[test]
fn there_is_a_limit_to_what_is_guarded_and_guards_come_free_again() {
    let status = in_another_process("fill_all_guards");
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn an_unguarded_fault_still_ends_the_process() {
    let status = in_another_process("fault_unguarded");
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
}

#[test]
fn a_signal_that_was_sent_still_ends_the_process() {
    let status = in_another_process("send_signal");
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
}

#[test]
fn an_unguarded_fault_goes_to_the_handler_that_was_there_before() {
    let status = in_another_process("fault_with_handler");
    assert_eq!(status.code(), Some(42), "{status}");
}

const ROLE: &str = "GPU_BUFFER_TEST_ROLE";

fn in_another_process(role: &str) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "role", "--nocapture", "--test-threads", "1"])
        .env(ROLE, role)
        .status()
        .unwrap()
}

/// Not a rule: what the other processes do.
#[test]
fn role() {
    match std::env::var(ROLE).as_deref() {
        Ok("fill_all_guards") => fill_all_guards(),
        Ok("fault_unguarded") => fault_unguarded(),
        Ok("send_signal") => send_signal(),
        Ok("fault_with_handler") => fault_with_handler(),
        _ => {}
    }
}

fn fill_all_guards() {
    let file = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap());
    file.set_len(4096).unwrap();
    let guarded = || {
        let exported = ExportedImage {
            width: 1,
            height: 1,
            format: DrmFourcc::R8,
            modifier: DrmModifier::Linear,
            planes: vec![ExportedPlane {
                fd: file.try_clone().unwrap().into(),
                place: PlanePlace {
                    offset: 0,
                    stride: 1,
                },
            }],
        };
        let options = ImportOptions {
            access: Access::Read,
            unsealed: Unsealed::Guard,
        };
        import(exported, options)
    };
    let images: Vec<Image> = (0..256).map(|_| guarded().unwrap()).collect();
    assert!(matches!(
        guarded(),
        Err(Error::TooManyGuards { limit: 256 })
    ));
    drop(images);
    assert!(guarded().is_ok());
}

fn fault_unguarded() {
    let _guarded = shared();
    let file = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap());
    file.set_len(4096).unwrap();
    let mapping: MmapRegion =
        MmapRegion::from_file(FileOffset::new(file.try_clone().unwrap(), 0), 4096).unwrap();
    file.set_len(0).unwrap();
    let mut byte = [0_u8];
    mapping.as_volatile_slice().copy_to(&mut byte[..]);
}

fn send_signal() {
    // In place of what Rust's own start has put there, which takes the first signal and returns.
    // SAFETY: the default action.
    unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
    let _guarded = shared();
    nix::sys::signal::raise(nix::sys::signal::SIGBUS).unwrap();
}

fn fault_with_handler() {
    extern "C" fn handler(_: libc::c_int) {
        // SAFETY: ends the process, which is allowed in a handler.
        unsafe { libc::_exit(42) };
    }
    let handler: extern "C" fn(libc::c_int) = handler;
    // SAFETY: the handler does nothing but end the process.
    unsafe { libc::signal(libc::SIGBUS, handler as *const () as usize) };
    fault_unguarded();
}
