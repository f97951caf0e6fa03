//! Row Z11: whichever large allocation fails, the guest gets an error, the device lives, and the same works afterwards.
//!
//! Allocations of less than a picture end the process where Rust cannot report them; they are bounded by the limits.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command as Program;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use conformance::message::{
    Message, attach, create, create_format, detach, display_info, edid, flush, set_scanout,
    transfer, unref, update_cursor, whole,
};
use gpu_display::{Headless, HeadlessConfig, Mode, Output};
use virtio_gpu::protocol::decode_response;
use virtio_gpu::testing::{Driver, guest_memory};
use virtio_gpu::{Device, DeviceConfig, QueueIndex};

/// From here on an allocation counts as large, in bytes.
const LARGE: usize = 64 << 10;

/// Which allocation of a child process fails; none in the test itself.
const WHICH: &str = "FAILING_ALLOCATION";

/// What the child says when it was not reached.
const ALL_GRANTED: &str = "no allocation was refused";

/// Large allocations that are granted before one fails; negative once it has.
static GRANTED: AtomicI64 = AtomicI64::new(i64::MAX);

struct Stingy;

impl Stingy {
    fn refuses(size: usize) -> bool {
        size >= LARGE && GRANTED.fetch_sub(1, Ordering::Relaxed) == 0
    }
}

#[global_allocator]
static ALLOCATOR: Stingy = Stingy;

// SAFETY: everything is the system's allocator, and null is a permitted answer.
unsafe impl GlobalAlloc for Stingy {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if Self::refuses(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if Self::refuses(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if Self::refuses(size) {
            return std::ptr::null_mut();
        }
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

const SIDE: u32 = 1000;
const CURSOR_SIDE: u32 = 256;

/// A guest that shows a picture, which lies in as many pieces as are allowed, and a cursor.
fn session() -> Vec<Message> {
    let pieces: Vec<(u64, u32)> = (0..16_384_u64)
        .map(|piece| (Driver::FREE + 256 * piece, 256))
        .collect();
    let (picture, cursor) = (whole(SIDE, SIDE), whole(CURSOR_SIDE, CURSOR_SIDE));
    vec![
        display_info(),
        edid(0),
        create(1, SIDE, SIDE),
        attach(1, &pieces),
        transfer(1, picture, 0),
        set_scanout(0, 1, picture),
        transfer(1, picture, 0),
        flush(1, picture),
        create_format(2, 1, CURSOR_SIDE, CURSOR_SIDE),
        attach(2, &[(Driver::FREE, CURSOR_SIDE * CURSOR_SIDE * 4)]),
        transfer(2, cursor, 0),
        update_cursor(0, 2),
        set_scanout(0, 0, picture),
        update_cursor(0, 0),
        detach(1),
        unref(1),
        unref(2),
    ]
}

struct Machine {
    device: Device<Headless>,
    driver: Driver,
}

impl Machine {
    fn new() -> Self {
        let output = Output {
            enabled: true,
            x: 0,
            y: 0,
            mode: Mode {
                width: SIDE,
                height: SIDE,
                refresh_millihertz: 60_000,
            },
            width_mm: 0,
            height_mm: 0,
        };
        let display = Headless::new(HeadlessConfig {
            outputs: vec![output],
            directory: None,
        });
        let memory = guest_memory(64 << 20);
        let mut device = Device::new(DeviceConfig::default(), display.unwrap()).unwrap();
        device.acknowledge_features(1 << 1 | 1 << 32).unwrap();
        device.set_memory(memory.clone());
        let mut driver = Driver::new(memory);
        for queue in [QueueIndex::Control, QueueIndex::Cursor] {
            let setup = driver.ring(queue).setup();
            let _ = device.start_queue(queue, &setup).unwrap();
        }
        Self { device, driver }
    }

    /// Carries a request out, in which large allocations count; whether it succeeded.
    fn does(&mut self, message: &Message, granted: &mut i64) -> bool {
        let room = if message.queue == QueueIndex::Cursor {
            0
        } else {
            message.room
        };
        self.driver.send_bytes(message.queue, &message.bytes, room);
        GRANTED.store(*granted, Ordering::Relaxed);
        while self
            .device
            .process_queue(message.queue, Instant::now())
            .more
        {}
        let _ = self.device.dispatch_display(Instant::now());
        *granted = GRANTED.swap(i64::MAX, Ordering::Relaxed);
        let answers = self.driver.take_answers(message.queue);
        assert_eq!(answers.len(), 1, "a request came back once");
        room == 0 || decode_response(&answers[0].bytes).unwrap().1.is_ok()
    }
}

/// What a child process does: one allocation fails in a session, none in the next.
fn live(mut granted: i64) {
    let mut machine = Machine::new();
    for message in session() {
        machine.does(&message, &mut granted);
    }
    if granted >= 0 {
        println!("{ALL_GRANTED}");
    }
    // Whatever is left of the first session.
    for message in [detach(1), unref(1), unref(2)] {
        machine.does(&message, &mut { i64::MAX });
    }
    for message in session() {
        let done = machine.does(&message, &mut { i64::MAX });
        assert!(
            done,
            "{:?} fails with all the memory there is",
            &message.bytes[..4]
        );
    }
}

#[test]
fn whichever_large_allocation_fails_the_device_lives_and_does_the_same_afterwards() {
    const NAME: &str =
        "whichever_large_allocation_fails_the_device_lives_and_does_the_same_afterwards";
    if let Ok(which) = std::env::var(WHICH) {
        return live(which.parse().unwrap());
    }
    for which in 0.. {
        let child = Program::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(WHICH, which.to_string())
            .output()
            .unwrap();
        let (said, wrong) = (
            String::from_utf8_lossy(&child.stdout),
            String::from_utf8_lossy(&child.stderr),
        );
        assert!(
            child.status.success(),
            "allocation {which}: {}{wrong}",
            child.status
        );
        if said.contains(ALL_GRANTED) {
            assert!(which >= 2, "only {which} allocations are large");
            return;
        }
    }
}
