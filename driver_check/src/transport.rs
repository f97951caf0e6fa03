//! The way between the driver and the device: plain calls.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use gpu_display::Display;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr};
use virtio_gpu::{Activation, Device, Interrupts, QueueIndex, QueueSetup, Wakeup};
use vm_memory::GuestAddress;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::memory::memory;

/// A transport whose other side is a device in this process, which works while it is notified.
#[derive(Debug)]
pub struct InProcess<D> {
    device: Arc<Mutex<Device<D>>>,
    status: DeviceStatus,
    features: u64,
    /// The queues that the driver has set up.
    queues: [Option<QueueSetup>; 2],
    pending: Pending,
}

/// Interrupts that were not acknowledged.
#[derive(Debug, Default)]
struct Pending {
    queue: bool,
    config: bool,
}

impl Interrupts for Pending {
    fn queue(&mut self, _queue: QueueIndex) {
        self.queue = true;
    }

    fn config(&mut self) {
        self.config = true;
    }
}

impl<D: Display> InProcess<D> {
    /// The driver's way to a device, and the device, to look at.
    #[must_use]
    pub fn new(device: Device<D>) -> (Self, Arc<Mutex<Device<D>>>) {
        let device = Arc::new(Mutex::new(device));
        let transport = Self {
            device: Arc::clone(&device),
            status: DeviceStatus::empty(),
            features: 0,
            queues: [None, None],
            pending: Pending::default(),
        };
        (transport, device)
    }

    fn device(&self) -> MutexGuard<'_, Device<D>> {
        self.device.lock().expect("nobody panics in the device")
    }

    fn slot(&mut self, queue: u16) -> &mut Option<QueueSetup> {
        let slot = self.queues.get_mut(usize::from(queue));
        slot.expect("a GPU has two queues")
    }

    /// What happens at DRIVER_OK.
    fn start(&mut self) {
        let [Some(control), Some(cursor)] = self.queues.clone() else {
            panic!("the driver has not set both queues up");
        };
        let activation = Activation {
            features: self.features,
            memory: memory(),
            control,
            cursor,
        };
        let turn = self.device().activate(activation);
        turn.expect("the driver keeps to the rules")
            .raise(&mut self.pending);
    }
}

impl<D: Display> Transport for InProcess<D> {
    fn device_type(&self) -> DeviceType {
        DeviceType::GPU
    }

    fn read_device_features(&mut self) -> u64 {
        self.device().features()
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        self.features = driver_features;
    }

    fn max_queue_size(&mut self, _queue: u16) -> u32 {
        256
    }

    fn notify(&mut self, queue: u16) {
        let queue = QueueIndex::from_index(queue).expect("a GPU has two queues");
        loop {
            let turn = self.device().wake(Wakeup::Kick(queue), Instant::now());
            turn.raise(&mut self.pending);
            if !turn.more {
                break;
            }
        }
    }

    fn get_status(&self) -> DeviceStatus {
        self.status
    }

    fn set_status(&mut self, status: DeviceStatus) {
        let starts = status.contains(DeviceStatus::DRIVER_OK)
            && !self.status.contains(DeviceStatus::DRIVER_OK);
        self.status = status;
        if status.is_empty() {
            self.device().reset();
            self.queues = [None, None];
        } else if starts {
            self.start();
        }
    }

    fn set_guest_page_size(&mut self, _guest_page_size: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        *self.slot(queue) = Some(QueueSetup {
            size: u16::try_from(size).expect("a ring has at most 32768 entries"),
            descriptor_table: GuestAddress(descriptors),
            avail_ring: GuestAddress(driver_area),
            used_ring: GuestAddress(device_area),
            next_avail: 0,
        });
    }

    fn queue_unset(&mut self, queue: u16) {
        *self.slot(queue) = None;
        let queue = QueueIndex::from_index(queue).expect("a GPU has two queues");
        if let Some(stopped) = self.device().stop_queue(queue) {
            assert!(!stopped.turn.notify(queue), "nothing was left unanswered");
        }
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.slot(queue).is_some()
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        let Pending { queue, config } = std::mem::take(&mut self.pending);
        let mut status = InterruptStatus::empty();
        status.set(InterruptStatus::QUEUE_INTERRUPT, queue);
        status.set(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT, config);
        status
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, Error> {
        let mut value = T::new_zeroed();
        self.device()
            .read_config(offset as u64, value.as_mut_bytes());
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(
        &mut self,
        offset: usize,
        value: T,
    ) -> Result<(), Error> {
        self.device().write_config(offset as u64, value.as_bytes());
        Ok(())
    }
}
