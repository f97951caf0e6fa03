//! A driver that nobody here wrote sets the device up, draws, and moves a cursor: the pixels arrive.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::unwrap_used
)]

use std::sync::{Arc, Mutex};

use driver_check::{InProcess, Machine};
use gpu_display::{Headless, HeadlessConfig, Mode, Output};
use virtio_drivers::device::gpu::VirtIOGpu;
use virtio_drivers::transport::InterruptStatus;
use virtio_gpu::{Device, Limits};

type Driver = VirtIOGpu<Machine, InProcess<Headless>>;

/// A driver, and the device whose one monitor has this size.
fn machine(width: u32, height: u32, limits: Limits) -> (Driver, Arc<Mutex<Device<Headless>>>) {
    let monitor = Output {
        enabled: true,
        x: 0,
        y: 0,
        mode: Mode {
            width,
            height,
            refresh_millihertz: 60_000,
        },
        width_mm: 0,
        height_mm: 0,
    };
    let display = Headless::new(HeadlessConfig {
        outputs: vec![monitor],
        directory: None,
    });
    let device = Device::builder(display.unwrap()).limits(limits).build();
    let (transport, device) = InProcess::new(device.unwrap());
    (VirtIOGpu::new(transport).unwrap(), device)
}

/// What is on the monitor at a place: red, green, blue.
fn seen(device: &Mutex<Device<Headless>>, x: u32, y: u32) -> [u8; 3] {
    let picture = device.lock().unwrap().display().picture(0).unwrap();
    let [red, green, blue, _] = picture.pixel(x, y).unwrap();
    [red, green, blue]
}

/// Blue, green, red, alpha: VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, in which the driver draws.
fn fill(buffer: &mut [u8], width: usize, pixel: impl Fn(usize, usize) -> [u8; 4]) {
    for (index, place) in buffer.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *place = pixel(index % width, index / width);
    }
}

#[test]
fn the_driver_sees_the_monitor() {
    let (mut driver, _device) = machine(1280, 800, Limits::default());

    assert_eq!(driver.resolution().unwrap(), (1280, 800));
    assert_eq!(driver.edid_preferred_resolution().unwrap(), (1280, 800));
    let supported = driver.edid_supported_resolutions().unwrap();
    assert!(!supported.is_empty());
}

#[test]
fn what_the_driver_draws_is_on_the_monitor() {
    let (mut driver, device) = machine(320, 200, Limits::default());
    let buffer = driver.setup_framebuffer().unwrap();
    assert!(buffer.len() >= 320 * 200 * 4, "whole pages");

    fill(buffer, 320, |x, y| [(x % 256) as u8, y as u8, 7, 255]);
    driver.flush().unwrap();

    assert_eq!(seen(&device, 0, 0), [7, 0, 0]);
    assert_eq!(seen(&device, 200, 100), [7, 100, 200]);
    assert_eq!(seen(&device, 319, 199), [7, 199, 63]);
    let queue = InterruptStatus::QUEUE_INTERRUPT;
    assert!(driver.ack_interrupt().contains(queue));
    assert!(driver.ack_interrupt().is_empty());
}

#[test]
fn another_resolution_is_another_framebuffer_and_leaves_nothing_behind() {
    let (mut driver, device) = machine(320, 200, Limits::default());
    driver.setup_framebuffer().unwrap();
    driver.flush().unwrap();

    let buffer = driver.change_resolution(640, 480).unwrap();
    fill(buffer, 640, |_, _| [1, 2, 3, 255]);
    driver.flush().unwrap();

    assert_eq!(seen(&device, 639, 479), [3, 2, 1]);
    let device = device.lock().unwrap();
    assert_eq!(device.backend().resources().len(), 1);
    assert_eq!(device.in_flight(), 0);
}

#[test]
fn the_cursor_is_drawn_where_the_driver_moves_it() {
    let (mut driver, device) = machine(320, 200, Limits::default());
    let buffer = driver.setup_framebuffer().unwrap();
    fill(buffer, 320, |_, _| [0, 0, 0, 255]);
    driver.flush().unwrap();
    let mut image = vec![0; 64 * 64 * 4];
    fill(&mut image, 64, |_, _| [10, 20, 30, 255]);

    driver.setup_cursor(&image, 100, 50, 0, 0).unwrap();

    assert_eq!(seen(&device, 100, 50), [30, 20, 10]);
    assert_eq!(seen(&device, 163, 113), [30, 20, 10]);
    assert_eq!(seen(&device, 99, 50), [0, 0, 0]);
    driver.move_cursor(200, 100).unwrap();
    assert_eq!(seen(&device, 100, 50), [0, 0, 0]);
    assert_eq!(seen(&device, 200, 100), [30, 20, 10]);
}

#[test]
fn what_the_device_refuses_the_driver_is_told_and_both_go_on() {
    let mut limits = Limits::default();
    limits.host_bytes = 640 * 480 * 4;
    let (mut driver, device) = machine(64, 64, limits);

    let refused = driver.change_resolution(1280, 800);
    assert!(refused.is_err());
    let buffer = driver.change_resolution(640, 480).unwrap();
    fill(buffer, 640, |_, _| [9, 9, 9, 255]);
    driver.flush().unwrap();

    assert_eq!(seen(&device, 5, 5), [9, 9, 9]);
}

#[test]
fn a_second_driver_finds_a_device_as_new() {
    let (mut driver, device) = machine(64, 48, Limits::default());
    driver.setup_framebuffer().unwrap();
    driver.flush().unwrap();
    drop(driver);
    let device = Arc::into_inner(device).unwrap().into_inner().unwrap();

    let (transport, device) = InProcess::new(device);
    let mut driver = VirtIOGpu::<Machine, _>::new(transport).unwrap();

    assert!(device.lock().unwrap().backend().resources().is_empty());
    assert_eq!(driver.resolution().unwrap(), (64, 48));
}
