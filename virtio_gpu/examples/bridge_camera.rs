//! A camera that fills a resource of the guest's: another device model, which asks the virtual GPU for the memory
//! behind the resource that the guest names, and films into it. The guest only flushes.
//!
//! `cargo run -p virtio_gpu --example bridge_camera`
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use std::error::Error;
use std::fs::File;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use gpu_buffer::Rect;
use gpu_display::{Headless, HeadlessConfig, Mode, Output};
use msg_socket::Socket;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use resource_bridge::{Client, Key, Request, Response, Server, ServerConfig};
use virtio_gpu::protocol::{Command, ResourceCreate2d, ResourceId, ScanoutId};
use virtio_gpu::testing::{Driver, guest_memory};
use virtio_gpu::{Activation, Device, QueueIndex};
use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory};

const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;
const IMAGE: ResourceId = ResourceId(7);

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let pixels = run()?;
    println!(
        "the screen shows {:02x?} in its first pixel",
        pixels.get(..4)
    );
    Ok(())
}

/// What is on the screen after the camera has filmed: its pixels as R, G, B, A.
pub fn run() -> Result<Vec<u8>, Failure> {
    let (mut device, mut driver) = machine()?;
    let whole = Rect::from_size(WIDTH, HEIGHT);
    let mut carry_out = |device: &mut Device<Headless>, command: Command<'_>| {
        driver.send(&command, None);
        while device
            .process_queue(QueueIndex::Control, Instant::now())
            .more
        {}
    };
    // The guest makes a resource, shows it, and tells its camera driver the number.
    carry_out(
        &mut device,
        Command::ResourceCreate2d(ResourceCreate2d {
            resource: IMAGE,
            format: 2, // VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
            width: WIDTH,
            height: HEIGHT,
        }),
    );
    carry_out(
        &mut device,
        Command::SetScanout {
            rect: whole,
            scanout: ScanoutId(0),
            resource: Some(IMAGE),
        },
    );

    let (ours, theirs) = Socket::pair()?;
    let mut server = Server::new(ServerConfig::default())?;
    server.connect(ours, Instant::now())?;
    let camera = thread::spawn(move || film(theirs, IMAGE.0));
    while !camera.is_finished() {
        // The program's event loop, in small.
        let mut fds = [PollFd::new(server.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(10_u8))?;
        server.dispatch(&mut device, Instant::now())?;
    }
    camera.join().map_err(|_| "the camera has panicked")??;

    carry_out(
        &mut device,
        Command::ResourceFlush {
            rect: whole,
            resource: IMAGE,
        },
    );
    let picture = device.display().picture(0).ok_or("nothing is shown")?;
    Ok(picture.pixels)
}

/// The camera: one picture, all of it orange, into the resource's memory.
fn film(gpu: Socket<Request, Response>, resource: u32) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let buffer = Client::new(gpu).buffer(Key::Id(resource), deadline)?;
    if !buffer.mappable {
        return Err("the memory cannot be mapped".into());
    }
    let plane = buffer.planes.into_iter().next().ok_or("no plane")?;
    let size = usize::try_from(buffer.size)?;
    let memory = MmapRegion::<()>::from_file(FileOffset::new(File::from(plane.fd), 0), size)?;
    let orange = [0x00, 0x80, 0xff, 0x00].repeat(usize::try_from(buffer.width)?);
    for row in 0..buffer.height {
        let at = u64::from(plane.offset) + u64::from(row) * u64::from(plane.stride);
        let row = usize::try_from(at)?;
        memory.as_volatile_slice().write_slice(&orange, row)?;
    }
    Ok(())
}

/// A device with one screen, and its driver.
fn machine() -> Result<(Device<Headless>, Driver), Failure> {
    let screen = Output {
        enabled: true,
        x: 0,
        y: 0,
        mode: Mode {
            width: WIDTH,
            height: HEIGHT,
            refresh_millihertz: 60_000,
        },
        width_mm: 0,
        height_mm: 0,
    };
    let display = Headless::new(HeadlessConfig {
        outputs: vec![screen],
        directory: None,
    })?;
    let mut device = Device::builder(display).build()?;
    let memory = guest_memory(32 << 20);
    let mut driver = Driver::new(memory.clone());
    let _ = device.activate(Activation {
        features: device.features(),
        memory,
        control: driver.ring(QueueIndex::Control).setup(),
        cursor: driver.ring(QueueIndex::Cursor).setup(),
    })?;
    Ok((device, driver))
}
