//! Blobs whose pages are dma-bufs of the kernel's `/dev/udmabuf`, on machines that have it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::fs::{File, read_dir};
use std::sync::Arc;

use gpu_buffer::UdmabufAllocator;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use support::blobs::{BLOBS, framebuffer, new_blob};
use support::recorder::DmaBufs;
use support::{FEATURES, IMAGE, MEMORY, OK, Recorder, Rect, Rig, rect};
use virtio_gpu::{Device, Frames, GuestBlobs};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap};

const PAGE: u64 = 4096;
/// A screen of 2025 pages.
const LARGE: Rect = Rect::from_size(1920, 1080);
/// One of 300 pages, for machines that are emulated.
const SMALL: Rect = Rect::from_size(640, 480);

/// Guest memory in a file as QEMU's, which cannot shrink.
fn sealed_memory() -> Arc<GuestMemoryMmap> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file = File::from(memfd_create(c"guest", flags).unwrap());
    file.set_len(MEMORY as u64).unwrap();
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK)).unwrap();
    let region = (GuestAddress(0), MEMORY, Some(FileOffset::new(file, 0)));
    Arc::new(GuestMemoryMmap::from_ranges_with_files([region]).unwrap())
}

/// A device that shows blobs where they are; `None` on a machine that cannot.
fn rig() -> Option<Rig> {
    let udmabuf = match UdmabufAllocator::open() {
        Ok(udmabuf) => udmabuf,
        Err(error) => {
            println!("SKIP: {error}");
            return None;
        }
    };
    let device = Device::builder(Recorder::new(1))
        .guest_blobs(GuestBlobs::Shared(Box::new(udmabuf)))
        .build()
        .unwrap();
    let mut rig = Rig::around(device, sealed_memory(), FEATURES | BLOBS);
    rig.device.display_mut().dma_bufs = DmaBufs::Taken;
    Some(rig)
}

fn bytes(screen: Rect) -> u64 {
    screen.area() * 4
}

/// A screen's pages in runs of so many, the last run first.
fn runs(screen: Rect, pages: u64) -> Vec<(u64, u32)> {
    let count = (bytes(screen) / PAGE).div_ceil(pages);
    let run = |index| (IMAGE + index * pages * PAGE, (pages * PAGE) as u32);
    (0..count).rev().map(run).collect()
}

/// Draws rows of these colours as a guest does that has its screen's pages in `entries`.
fn draw(rig: &Rig, screen: Rect, entries: &[(u64, u32)], colour: fn(u32) -> u32) {
    let row = |y| colour(y).to_le_bytes().repeat(screen.width as usize);
    let bytes: Vec<u8> = (0..screen.height).flat_map(row).collect();
    let mut rest = &bytes[..];
    for (address, length) in entries {
        let (now, later) = rest.split_at(rest.len().min(*length as usize));
        rig.driver.write(*address, now);
        rest = later;
    }
}

/// Has a screen with a colour of its own in each row shown as a blob.
fn show(rig: &mut Rig, screen: Rect, entries: &[(u64, u32)]) {
    assert_eq!(rig.create_blob(new_blob(1, bytes(screen)), entries), OK);
    draw(rig, screen, entries, |y| y);
    show_again(rig, screen);
}

fn show_again(rig: &mut Rig, screen: Rect) {
    let request = framebuffer(1, screen.width, screen.height);
    assert_eq!(rig.set_scanout_blob(request), OK);
}

fn pixels(screen: Rect, colour: fn(u32) -> u32) -> Vec<u32> {
    let row = |y| vec![colour(y); screen.width as usize];
    (0..screen.height).flat_map(row).collect()
}

#[test]
fn udmabuf_shows_a_scattered_screen_and_copies_not_one_byte() {
    let Some(mut rig) = rig() else { return };
    // 507 runs: fewer than the 1,024 that the kernel takes.
    let entries = runs(LARGE, 4);
    show(&mut rig, LARGE, &entries);
    assert!(rig.shared_frames()[0].1 == pixels(LARGE, |y| y));

    draw(&rig, LARGE, &entries, |y| y ^ 0x55_5555);
    assert_eq!(rig.flush(1, LARGE), OK);

    let frames = rig.shared_frames();
    assert_eq!(frames[0].0, [LARGE]);
    assert!(frames[0].1 == pixels(LARGE, |y| y ^ 0x55_5555));
    let done = rig.device.backend().frame_statistics();
    assert_eq!(done.blobs_shared.copied_bytes, 0);
    assert_eq!(done.blobs_shared.taken, 2);
    assert_eq!(done.blobs_copied, Frames::default());
    assert_eq!(done.transferred, Frames::default());
}

#[test]
fn udmabuf_takes_neighbours_as_one_range() {
    let Some(mut rig) = rig() else { return };
    // 2025 entries, page by page, that are one run of memory.
    let mut entries = runs(LARGE, 1);
    entries.reverse();
    show(&mut rig, LARGE, &entries);

    assert!(rig.shared_frames()[0].1 == pixels(LARGE, |y| y));
}

#[test]
fn what_udmabuf_refuses_is_copied_once() {
    let parts = vec![(IMAGE + 512, 4096 - 512), (IMAGE + PAGE, 1 << 21)];
    // Too many ranges, and parts of pages.
    for (screen, entries) in [(LARGE, runs(LARGE, 1)), (SMALL, parts)] {
        let Some(mut rig) = rig() else { return };
        show(&mut rig, screen, &entries);
        assert!(rig.frames()[0].1 == pixels(screen, |y| y));
        let before = rig.device.backend().frame_statistics().blobs_copied;

        assert_eq!(rig.flush(1, rect(8, 8, 100, 10)), OK);

        let now = rig.device.backend().frame_statistics().blobs_copied;
        assert_eq!(now.taken - before.taken, 1);
        assert_eq!(now.copied_bytes - before.copied_bytes, 4000);
    }
}

#[test]
fn pages_of_udmabuf_outlive_the_map_of_the_memory_and_the_device() {
    let Some(mut rig) = rig() else { return };
    show(&mut rig, SMALL, &runs(SMALL, 4));
    let held = rig.device.display_mut().held.take().unwrap();

    rig.device.set_memory(Arc::new(GuestMemoryMmap::new()));
    rig.device.reset();
    drop(rig);

    assert!(support::recorder::read_whole(&held) == pixels(SMALL, |y| y));
}

#[test]
fn dma_bufs_of_udmabuf_go_with_their_blobs() {
    let Some(mut rig) = rig() else { return };
    // Nobody looks at so many pictures.
    let corner = Rect::from_size(4, 4);
    let entries = runs(SMALL, 4);
    let descriptors = || read_dir("/proc/self/fd").unwrap().count();
    show(&mut rig, corner, &entries);
    assert_eq!(rig.unref(1), OK);
    rig.device.display_mut().held = None;
    let before = descriptors();

    for _ in 0..200 {
        let create = new_blob(1, bytes(SMALL));
        assert_eq!(rig.create_blob(create, &entries), OK);
        show_again(&mut rig, corner);
        assert_eq!(rig.unref(1), OK);
        rig.device.display_mut().held = None;
        rig.records();
    }

    // Other tests of this program have descriptors of their own, but not hundreds.
    assert!(descriptors() < before + 100);
}
