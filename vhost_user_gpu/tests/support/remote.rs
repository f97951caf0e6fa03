//! The display at the other end of the front end's socket, in this process.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use gpu_buffer::{DrmFourcc, Layout, Rect};
use gpu_display::{Display, Event, Frame, PixelSource, Presented, Role, SurfaceId, SurfaceRequest};
use msg_socket::{Wait, recv_with_fds};
use nix::poll::{PollFd, PollFlags, poll};
use vhost_user_gpu::remote_display::{FrontEndSocket, RemoteDisplay};
use vm_memory::VolatileSlice;

use conformance::gpu_socket::{
    GET_DISPLAY_INFO, GET_PROTOCOL_FEATURES, GpuSocket, SET_PROTOCOL_FEATURES,
};

/// A display with a socket, and the front end's end of it.
pub fn attached() -> (RemoteDisplay, GpuSocket) {
    let mut display = RemoteDisplay::new().unwrap();
    let gpu = attach(&mut display);
    (display, gpu)
}

pub fn attach(display: &mut RemoteDisplay) -> GpuSocket {
    let (gpu, theirs) = GpuSocket::pair();
    assert!(display.set_gpu_socket(OwnedFd::from(theirs)).is_none());
    gpu
}

/// A display whose questions at the start were answered.
pub fn greeted() -> (RemoteDisplay, GpuSocket) {
    let (mut display, mut gpu) = attached();
    answer_greeting(&mut display, &mut gpu);
    (display, gpu)
}

pub fn answer_greeting(display: &mut RemoteDisplay, gpu: &mut GpuSocket) {
    answer_features(display, gpu);
    gpu.reply_outputs();
    dispatch(display);
    let _ = events(display);
}

/// Answers the first question of a socket, so that the question about outputs is open.
pub fn answer_features(display: &mut RemoteDisplay, gpu: &mut GpuSocket) {
    assert_eq!(gpu.read().request, GET_PROTOCOL_FEATURES);
    gpu.reply(GET_PROTOCOL_FEATURES, &gpu.features.to_ne_bytes());
    dispatch(display);
    assert_eq!(gpu.read().request, SET_PROTOCOL_FEATURES);
    assert_eq!(gpu.read().request, GET_DISPLAY_INFO);
}

pub fn dispatch(display: &mut RemoteDisplay) {
    display.dispatch(Instant::now()).unwrap();
}

pub fn events(display: &mut RemoteDisplay) -> Vec<Event> {
    std::iter::from_fn(|| display.next_event()).collect()
}

/// Whether the display's descriptor asks for a dispatch.
pub fn is_ready(display: &RemoteDisplay) -> bool {
    let fd = display.poll_fd().unwrap().fd;
    poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], 0_u8).unwrap() == 1
}

pub fn scanout(output: u32, width: u32, height: u32) -> SurfaceRequest {
    SurfaceRequest {
        role: Role::Scanout { output },
        width,
        height,
    }
}

/// Presents a frame of one byte value, all of it damaged.
pub fn present(
    display: &mut RemoteDisplay,
    surface: SurfaceId,
    width: u32,
    height: u32,
    value: u8,
) -> Presented {
    let mut pixels = vec![value; usize::try_from(width * height * 4).unwrap()];
    let whole = Rect::from_size(width, height);
    let frame = Frame {
        pixels: PixelSource::Memory(VolatileSlice::from(&mut pixels[..])),
        layout: Layout::packed(width, height, DrmFourcc::Argb8888).unwrap(),
        crop: whole,
        damage: &[whole],
    };
    display.present(surface, &frame).unwrap()
}

/// The next message with all its bytes, and the descriptors that came with the first.
pub fn read_with_fds(gpu: &mut GpuSocket) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut bytes = vec![0; 12];
    let until = Wait::Until(Instant::now() + Duration::from_secs(10));
    let received = recv_with_fds(gpu.stream.as_fd(), &mut bytes, 1, until).unwrap();
    assert_eq!(received.bytes, 12);
    let size = u32::from_ne_bytes(bytes[8..].try_into().unwrap());
    let mut payload = vec![0; usize::try_from(size).unwrap()];
    gpu.stream.read_exact(&mut payload).unwrap();
    bytes.extend(payload);
    (bytes, received.fds)
}
