//! Buffers are zeroed, big enough, and safe to share.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use gpu_buffer::{
    Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Error, Layout, MemfdAllocator,
};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, SealFlag, fcntl};

fn allocators() -> [Box<dyn Allocator>; 2] {
    [Box::new(AnonymousAllocator), Box::new(MemfdAllocator)]
}

fn request(width: u32, height: u32) -> BufferRequest {
    BufferRequest {
        layout: Layout::packed(width, height, DrmFourcc::Xrgb8888).unwrap(),
    }
}

fn file_of(buffer: &Buffer) -> File {
    File::from(buffer.shared_fd().unwrap().try_clone_to_owned().unwrap())
}

// A guest's pictures begin where a page does.
#[test]
fn private_memory_begins_in_the_middle_of_a_page() {
    let buffer = AnonymousAllocator.allocate(&request(33, 31)).unwrap();

    let address = buffer.memory().ptr_guard().as_ptr().addr();

    assert_eq!(address % 4096, 2048);
    assert_eq!(buffer.memory().len(), 33 * 31 * 4);
}

#[test]
fn a_fresh_buffer_reads_as_zero_in_all_its_bytes() {
    for mut allocator in allocators() {
        let buffer = allocator.allocate(&request(33, 31)).unwrap();

        let mut bytes = vec![1_u8; 33 * 31 * 4];
        assert_eq!(buffer.memory().len(), bytes.len());
        buffer.memory().copy_to(&mut bytes[..]);
        assert!(bytes.iter().all(|&byte| byte == 0), "{allocator:?}");
        assert_eq!(*buffer.layout(), request(33, 31).layout);
    }
}

#[test]
fn only_a_memory_file_can_be_shared() {
    let private = AnonymousAllocator.allocate(&request(4, 4)).unwrap();
    let shared = MemfdAllocator.allocate(&request(4, 4)).unwrap();

    assert!(private.shared_fd().is_none());
    assert!(shared.shared_fd().is_some());
}

#[test]
fn the_file_has_the_bytes_of_the_memory() {
    let buffer = MemfdAllocator.allocate(&request(4, 4)).unwrap();
    let file = file_of(&buffer);
    let mut seen = [0; 64];

    buffer.memory().copy_from(&[0x5a_u8; 64]);
    file.read_exact_at(&mut seen, 0).unwrap();
    assert_eq!(seen, [0x5a; 64]);

    file.write_all_at(&[0xa5; 8], 56).unwrap();
    buffer.memory().copy_to(&mut seen[..]);
    assert_eq!(seen[56..], [0xa5; 8]);
}

#[test]
fn the_file_is_whole_pages_and_sealed_in_its_size() {
    let buffer = MemfdAllocator.allocate(&request(33, 31)).unwrap();
    let file = file_of(&buffer);

    let length = file.metadata().unwrap().len();
    assert!(length >= 33 * 31 * 4);
    assert_eq!(length % 4096, 0);
    let seals = SealFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GET_SEALS).unwrap());
    assert!(seals.contains(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW));
    assert!(!seals.contains(SealFlag::F_SEAL_WRITE));

    assert_eq!(errno(file.set_len(0)), Errno::EPERM);
    assert_eq!(errno(file.set_len(1 << 20)), Errno::EPERM);
    let more = FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_FUTURE_WRITE);
    assert_eq!(fcntl(&file, more), Err(Errno::EPERM));
}

#[test]
fn the_file_is_closed_in_a_child_process() {
    let buffer = MemfdAllocator.allocate(&request(4, 4)).unwrap();

    let flags = fcntl(buffer.shared_fd().unwrap().as_fd(), FcntlArg::F_GETFD).unwrap();

    assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
}

#[test]
fn memory_that_cannot_be_mapped_is_an_error_with_the_reason() {
    // 2^50 bytes: more than the address space of a process on any supported machine.
    let too_much = request(1 << 24, 1 << 24);
    for mut allocator in allocators() {
        match allocator.allocate(&too_much) {
            Err(Error::Map { bytes, source }) => {
                assert_eq!(bytes, 1 << 50);
                assert_eq!(source.raw_os_error(), Some(Errno::ENOMEM as i32));
            }
            other => panic!("{allocator:?}: {other:?}"),
        }
    }
}

#[test]
fn the_largest_layout_is_an_error() {
    for mut allocator in allocators() {
        let result = allocator.allocate(&request(0x3fff_ffff, u32::MAX));

        assert!(
            matches!(
                result,
                Err(Error::Map { .. } | Error::ResizeMemfd { .. } | Error::BufferTooLarge { .. })
            ),
            "{allocator:?}"
        );
    }
}

fn errno(result: std::io::Result<()>) -> Errno {
    Errno::from_raw(result.unwrap_err().raw_os_error().unwrap())
}
