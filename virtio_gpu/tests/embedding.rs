//! What a program around the device uses.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]

mod support;

use std::time::Instant;

use gpu_display::Interest;
use gpu_renderer::RenderQueue;
use gpu_renderer::testing::Recording;
use support::{FEATURES, MEMORY, PATIENCE, Recorder};
use virtio_gpu::protocol::Command;
use virtio_gpu::testing::{Driver, guest_memory};
use virtio_gpu::{
    Activation, Device, DeviceError, Interrupts, Limits, QueueIndex, QueueSetup, Turn, Wakeup,
};
use virtio_queue::{Queue, QueueT};
use vm_memory::GuestAddress;

fn activation(driver: &mut Driver) -> Activation {
    Activation {
        features: FEATURES,
        memory: guest_memory(MEMORY),
        control: driver.ring(QueueIndex::Control).setup(),
        cursor: driver.ring(QueueIndex::Cursor).setup(),
    }
}

fn recording() -> RenderQueue {
    let (recording, _) = Recording::new();
    let starting = RenderQueue::thread(|| Ok(recording)).unwrap();
    starting.wait(PATIENCE).unwrap()
}

#[test]
fn a_builder_makes_the_device_that_was_asked_for() {
    let mut limits = Limits::default();
    limits.resources = 3;
    let device = Device::builder(Recorder::new(4))
        .scanouts(4)
        .limits(limits)
        .renderer(recording())
        .build()
        .unwrap();

    let mut scanouts = [0; 4];
    device.read_config(8, &mut scanouts);
    assert_eq!(scanouts, [4, 0, 0, 0]);
    assert_eq!(device.backend().limits().resources, 3);
    assert_eq!(device.features() & 1, 1, "VIRTIO_GPU_F_VIRGL");
}

#[test]
fn a_device_has_between_one_and_sixteen_scanouts() {
    for scanouts in [0, 17] {
        let refused = Device::builder(Recorder::new(1)).scanouts(scanouts).build();
        assert!(matches!(refused, Err(DeviceError::ScanoutCount(n)) if n == scanouts));
    }
}

#[test]
fn an_activated_device_answers_and_a_reset_one_can_be_activated_again() {
    let mut device = Device::builder(Recorder::new(1)).build().unwrap();
    for _ in 0..2 {
        let memory = guest_memory(MEMORY);
        let mut driver = Driver::new(memory.clone());
        let turn = device.activate(Activation {
            memory,
            ..activation(&mut driver)
        });
        assert_eq!(turn.unwrap(), Turn::default());
        driver.send(&Command::GetDisplayInfo, None);

        let turn = device.wake(Wakeup::Kick(QueueIndex::Control), Instant::now());

        assert!(turn.notify_control);
        assert_eq!(driver.take_answers(QueueIndex::Control).len(), 1);
        device.reset();
    }
}

#[test]
fn activation_says_what_the_driver_may_not_do() {
    let mut device = Device::builder(Recorder::new(1)).build().unwrap();
    let mut driver = Driver::new(guest_memory(MEMORY));
    let unoffered = Activation {
        features: 1 << 63,
        ..activation(&mut driver)
    };
    let mut lost = activation(&mut driver);
    lost.cursor.used_ring = GuestAddress(1 << 40);

    let refused = device.activate(unoffered);
    let outside = device.activate(lost);

    assert!(matches!(
        refused,
        Err(DeviceError::UnofferedFeatures { .. })
    ));
    assert!(matches!(outside, Err(DeviceError::InvalidQueue { .. })));
}

#[test]
fn a_queue_of_virtio_queue_can_be_taken_over() {
    let mut queue = Queue::new(64).unwrap();
    queue.set_size(32);
    queue.set_desc_table_address(Some(0x1_0000), None);
    queue.set_avail_ring_address(Some(0x2_0000), None);
    queue.set_used_ring_address(Some(0x3_0000), None);
    queue.set_next_avail(7);

    let setup = QueueSetup::from(&queue);

    assert_eq!(
        setup,
        QueueSetup {
            size: 32,
            descriptor_table: GuestAddress(0x1_0000),
            avail_ring: GuestAddress(0x2_0000),
            used_ring: GuestAddress(0x3_0000),
            next_avail: 7,
        }
    );
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Lines(Vec<&'static str>);

impl Interrupts for Lines {
    fn queue(&mut self, queue: QueueIndex) {
        self.0.push(match queue {
            QueueIndex::Control => "control",
            QueueIndex::Cursor => "cursor",
        });
    }

    fn config(&mut self) {
        self.0.push("config");
    }
}

#[test]
fn a_turn_raises_the_interrupts_that_it_names_and_no_others() {
    let raised = |turn: Turn| {
        let mut lines = Lines::default();
        turn.raise(&mut lines);
        lines.0
    };
    let none = Turn::default();

    assert_eq!(raised(none), [""; 0]);
    assert_eq!(
        raised(Turn {
            notify_control: true,
            ..none
        }),
        ["control"]
    );
    assert_eq!(
        raised(Turn {
            notify_cursor: true,
            notify_config: true,
            ..none
        }),
        ["cursor", "config"]
    );
}

#[test]
fn what_to_poll_is_what_the_device_is_made_of() {
    let plain = Device::builder(Recorder::new(1)).build().unwrap();
    assert_eq!(plain.watches().count(), 0);

    let device = Device::builder(Recorder::new(1))
        .renderer(recording())
        .build()
        .unwrap();
    let watches: Vec<_> = device.watches().collect();
    assert_eq!(watches.len(), 1);
    assert_eq!(watches[0].wakeup, Wakeup::Renderer);
    assert_eq!(watches[0].interest, Interest::Readable);
}
