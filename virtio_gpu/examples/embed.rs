//! A virtual machine monitor in small: it makes a device, plays its transport and its interrupts, and writes what a
//! guest draws into a PNG file. The guest is the crate's own `testing` driver.
//!
//! `cargo run -p virtio_gpu --example embed -- picture.png`
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use gpu_buffer::Rect;
use gpu_display::{Headless, HeadlessConfig, Mode, Output};
use virtio_gpu::protocol::{Command, ResourceCreate2d, ResourceId, ScanoutId, Success};
use virtio_gpu::testing::{Driver, entry, guest_memory};
use virtio_gpu::{Activation, Device, Interrupts, QueueIndex, Wakeup};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 200;
const IMAGE: ResourceId = ResourceId(1);

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).unwrap_or("picture.png".into());
    run(Path::new(&path))
}

/// The guest draws, and the picture is written to `path`.
pub fn run(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut machine = Machine::new()?;
    machine.driver.write(Driver::FREE, &gradient());
    let whole = Rect::from_size(WIDTH, HEIGHT);
    let entries = [entry(Driver::FREE, WIDTH * HEIGHT * 4)];
    machine.carry_out(&Command::ResourceCreate2d(ResourceCreate2d {
        resource: IMAGE,
        format: 2, // VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
        width: WIDTH,
        height: HEIGHT,
    }))?;
    machine.carry_out(&Command::ResourceAttachBacking {
        resource: IMAGE,
        entries: &entries,
    })?;
    machine.carry_out(&Command::TransferToHost2d {
        rect: whole,
        offset: 0,
        resource: IMAGE,
    })?;
    machine.carry_out(&Command::SetScanout {
        rect: whole,
        scanout: ScanoutId(0),
        resource: Some(IMAGE),
    })?;
    machine.carry_out(&Command::ResourceFlush {
        rect: whole,
        resource: IMAGE,
    })?;
    machine.device.display().write_png(0, path)?;
    // The guest reboots: nothing of it is left.
    machine.device.reset();
    Ok(())
}

/// Blue grows to the right, green to the bottom.
fn gradient() -> Vec<u8> {
    (0..HEIGHT)
        .flat_map(|y| (0..WIDTH).flat_map(move |x| [(x * 255 / WIDTH) as u8, y as u8, 0, 0]))
        .collect()
}

struct Machine {
    device: Device<Headless>,
    driver: Driver,
    interrupts: Lines,
}

impl Machine {
    fn new() -> Result<Self, Box<dyn Error>> {
        let mode = Mode {
            width: WIDTH,
            height: HEIGHT,
            refresh_millihertz: 60_000,
        };
        let monitor = Output {
            enabled: true,
            x: 0,
            y: 0,
            mode,
            width_mm: 0,
            height_mm: 0,
        };
        let display = Headless::new(HeadlessConfig {
            outputs: vec![monitor],
            directory: None,
        })?;
        let mut device = Device::builder(display).scanouts(1).build()?;
        // What the transport learns from the driver until it says DRIVER_OK.
        let memory = guest_memory(32 << 20);
        let mut driver = Driver::new(memory.clone());
        let mut interrupts = Lines::default();
        let started = device.activate(Activation {
            features: device.features(),
            memory,
            control: driver.ring(QueueIndex::Control).setup(),
            cursor: driver.ring(QueueIndex::Cursor).setup(),
        })?;
        started.raise(&mut interrupts);
        Ok(Self {
            device,
            driver,
            interrupts,
        })
    }

    /// The guest sends a command, kicks, and waits for the interrupt.
    fn carry_out(&mut self, command: &Command<'_>) -> Result<Success, Box<dyn Error>> {
        self.driver.send(command, None);
        // A real program polls the kicks' eventfds, `device.watches()` and `device.deadline()`.
        let kick = Wakeup::Kick(QueueIndex::Control);
        loop {
            let turn = self.device.wake(kick, Instant::now());
            turn.raise(&mut self.interrupts);
            if !turn.more {
                break;
            }
        }
        if !std::mem::take(&mut self.interrupts.control) {
            return Err(format!("no interrupt for {}", command.name()).into());
        }
        let answer = self.driver.take_answers(QueueIndex::Control).pop();
        let answer = answer.ok_or("an interrupt without an answer")?;
        answer.outcome().map_err(|code| format!("{code:?}").into())
    }
}

/// Where a real program writes to an irqfd.
#[derive(Default)]
struct Lines {
    control: bool,
}

impl Interrupts for Lines {
    fn queue(&mut self, queue: QueueIndex) {
        self.control |= queue == QueueIndex::Control;
    }

    fn config(&mut self) {}
}
