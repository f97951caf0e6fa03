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
use support::{FEATURES, IMAGE, MEMORY, OK, Recorder, Rect, Rig, gradient, rect};
use virtio_gpu::{Device, Frames, GuestBlobs};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap};

const PAGE: u64 = 4096;
/// A screen, and its bytes: 2025 pages.
const SCREEN: Rect = Rect::from_size(1920, 1080);
const BYTES: u64 = 1920 * 1080 * 4;

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

/// A screen's pages in runs of so many, the last run first.
fn runs(pages: u64) -> Vec<(u64, u32)> {
    let count = (BYTES / PAGE).div_ceil(pages);
    let run = |index| (IMAGE + index * pages * PAGE, (pages * PAGE) as u32);
    (0..count).rev().map(run).collect()
}

/// Draws a screen as a guest does that has its pages in `entries`.
fn draw(rig: &Rig, entries: &[(u64, u32)], pixel: impl Fn(u32, u32) -> u32) {
    let places = (0..SCREEN.height).flat_map(|y| (0..SCREEN.width).map(move |x| (x, y)));
    let bytes: Vec<u8> = places
        .flat_map(|(x, y)| pixel(x, y).to_le_bytes())
        .collect();
    let mut rest = &bytes[..];
    for (address, length) in entries {
        let (now, later) = rest.split_at(rest.len().min(*length as usize));
        rig.driver.write(*address, now);
        rest = later;
    }
}

fn show(rig: &mut Rig, entries: &[(u64, u32)]) {
    assert_eq!(rig.create_blob(new_blob(1, BYTES), entries), OK);
    draw(rig, entries, gradient);
    assert_eq!(rig.set_scanout_blob(framebuffer(1, 1920, 1080)), OK);
}

fn pixels(of: impl Fn(u32, u32) -> u32) -> Vec<u32> {
    let places = (0..SCREEN.height).flat_map(|y| (0..SCREEN.width).map(move |x| (x, y)));
    places.map(|(x, y)| of(x, y) & 0xff_ffff).collect()
}

#[test]
fn udmabuf_shows_a_scattered_screen_and_copies_not_one_byte() {
    let Some(mut rig) = rig() else { return };
    // 507 runs: fewer than the 1,024 that the kernel takes.
    let entries = runs(4);
    show(&mut rig, &entries);
    assert_eq!(rig.shared_frames().last().unwrap().1, pixels(gradient));

    for colour in 0..3 {
        draw(&rig, &entries, |_, _| colour);
        assert_eq!(rig.flush(1, SCREEN), OK);
        assert_eq!(rig.shared_frames(), [(vec![SCREEN], pixels(|_, _| colour))]);
    }

    let done = rig.device.backend().frame_statistics();
    assert_eq!(done.blobs_shared.copied_bytes, 0);
    assert_eq!(done.blobs_shared.taken, 4);
    assert_eq!(done.blobs_copied, Frames::default());
    assert_eq!(done.transferred, Frames::default());
}

#[test]
fn udmabuf_takes_neighbours_as_one_range() {
    let Some(mut rig) = rig() else { return };
    // 2025 entries, page by page, that are one run of memory.
    let mut entries = runs(1);
    entries.reverse();
    show(&mut rig, &entries);

    assert_eq!(rig.shared_frames().last().unwrap().1, pixels(gradient));
}

#[test]
fn what_udmabuf_refuses_is_copied_once() {
    // Too many ranges, and parts of pages.
    let parts = vec![(IMAGE + 512, 4096 - 512), (IMAGE + PAGE, BYTES as u32)];
    for entries in [runs(1), parts] {
        let Some(mut rig) = rig() else { return };
        show(&mut rig, &entries);
        assert_eq!(rig.frames().last().unwrap().1, pixels(gradient));
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
    show(&mut rig, &runs(4));
    rig.shared_frames();
    let held = rig.device.display_mut().held.take().unwrap();

    rig.device.set_memory(Arc::new(GuestMemoryMmap::new()));
    rig.device.reset();
    drop(rig);

    let frame = support::recorder::read_whole(&held);
    assert_eq!(frame, pixels(gradient));
}

#[test]
fn dma_bufs_of_udmabuf_go_with_their_blobs() {
    let Some(mut rig) = rig() else { return };
    let entries = runs(4);
    let descriptors = || read_dir("/proc/self/fd").unwrap().count();
    show(&mut rig, &entries);
    assert_eq!(rig.unref(1), OK);
    rig.device.display_mut().held = None;
    let before = descriptors();

    for _ in 0..200 {
        assert_eq!(rig.create_blob(new_blob(1, BYTES), &entries), OK);
        assert_eq!(rig.set_scanout_blob(framebuffer(1, 1920, 1080)), OK);
        assert_eq!(rig.unref(1), OK);
        rig.device.display_mut().held = None;
        rig.records();
    }

    // Other tests of this program have descriptors of their own, but not hundreds.
    assert!(descriptors() < before + 100);
}
