//! File descriptors are neither leaked nor needed without end. One test, because the count and the
//! limit are those of the whole process.
#![allow(clippy::unwrap_used)]

use std::fs;

use gpu_buffer::{
    Allocator, AnonymousAllocator, BufferRequest, DrmFourcc, Error, Layout, MemfdAllocator,
};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_buffer_costs_one_descriptor_while_it_lives_and_running_out_is_an_error() {
    let request = BufferRequest {
        layout: Layout::packed(16, 16, DrmFourcc::Xrgb8888).unwrap(),
    };
    let before = open_descriptors();

    let buffers: Vec<_> = (0..8)
        .map(|_| MemfdAllocator.allocate(&request).unwrap())
        .collect();
    assert_eq!(open_descriptors(), before.saturating_add(8));
    drop(buffers);
    assert_eq!(open_descriptors(), before);

    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    let shared = MemfdAllocator.allocate(&request);
    let private = AnonymousAllocator.allocate(&request);
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();

    match shared {
        Err(Error::CreateMemfd(source)) => {
            assert_eq!(source.raw_os_error(), Some(Errno::EMFILE as i32));
        }
        other => panic!("{other:?}"),
    }
    assert!(private.is_ok());
    assert_eq!(open_descriptors(), before);
}
