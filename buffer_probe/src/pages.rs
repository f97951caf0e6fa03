//! A guest's memory as a dma-buf: pages of one memory file in another order, seen by a mapping of
//! the dma-buf and written through it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use gpu_buffer::allocators::udmabuf::MemfdRange;
use gpu_buffer::{
    Access, DrmFourcc, DrmModifier, Error as BufferError, ExportedImage, ExportedPlane, GuestPages,
    ImportOptions, PlanePlace, Rect, UdmabufAllocator, Unsealed, import,
};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap, VolatileSlice};

use crate::error::{Error, Result};
use crate::source::absent;

/// Bytes of a page.
pub(crate) const PAGE: u32 = 4096;
/// Of the memory file.
const FILE: u64 = 8 * 4096;
/// Where each page of the dma-buf is in the file; the third and fourth are neighbours there, too.
const ORDER: [u32; 5] = [6, 0, 3, 4, 1];

/// Makes the dma-buf and compares.
pub(crate) fn run() -> Result<()> {
    let allocator = UdmabufAllocator::open().map_err(absent)?;
    let file = memory_file(FILE, SealFlag::F_SEAL_SHRINK)?;
    for page in 0..8_u8 {
        let bytes = [page; 4096];
        file.write_all_at(&bytes, u64::from(page) * u64::from(PAGE))
            .map_err(Error::io("write a page"))?;
    }
    let dma_buf = guest_pages(&file)?
        .share(&allocator)
        .map_err(Error::buffer("share pages"))?;
    let mapped = image(dma_buf)?;
    for (row, page) in (0..).zip(ORDER) {
        let mut byte = [0xff_u8];
        let first = Rect::new(PAGE - 1, row, 1, 1);
        mapped
            .read(0, first, &VolatileSlice::from(&mut byte[..]), 1)
            .map_err(Error::buffer("read a page"))?;
        if u32::from(byte[0]) != page {
            return Err(Error::Wrong(format!("row {row} is page {}", byte[0])));
        }
    }
    {
        let turn = mapped.map(0, Rect::new(0, 4, 1, 1), Access::Write);
        let turn = turn.map_err(Error::buffer("map a page"))?;
        turn.memory().copy_from(&[0x5a_u8]);
    }
    let mut byte = [0];
    file.read_exact_at(&mut byte, u64::from(PAGE))
        .map_err(Error::io("read a page"))?;
    if byte != [0x5a] {
        return Err(Error::Wrong("a write did not reach its page".to_owned()));
    }
    println!("the dma-buf is the file's pages");
    refuses_bad_seals(&allocator)
}

/// The pages as a device knows them: by addresses in a guest's memory, which is the file.
fn guest_pages(file: &File) -> Result<GuestPages> {
    const START: u64 = 0x4000_0000;
    let file = file.try_clone().map_err(Error::io("duplicate"))?;
    let offset = Some(FileOffset::new(file, 0));
    let memory: GuestMemoryMmap =
        GuestMemoryMmap::from_ranges_with_files([(GuestAddress(START), 8 * 4096, offset)])
            .map_err(|error| Error::Wrong(error.to_string()))?;
    let entries = ORDER.map(|page| (START + u64::from(page * PAGE), PAGE));
    GuestPages::resolve(&memory, entries.into_iter()).map_err(Error::buffer("find the pages"))
}

/// The kernel takes no file that could shrink, and none that cannot be written.
fn refuses_bad_seals(allocator: &UdmabufAllocator) -> Result<()> {
    let wrong = [
        SealFlag::empty(),
        SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_WRITE,
    ];
    for seals in wrong {
        let file = memory_file(FILE, seals)?;
        match allocator.share_pages(&ranges(&file)) {
            Err(BufferError::Udmabuf(_)) => {}
            other => {
                return Err(Error::Wrong(format!("with {seals:?} it was {other:?}")));
            }
        }
    }
    Ok(())
}

/// A memory file of so many bytes, as a VMM makes them.
pub(crate) fn memory_file(bytes: u64, seals: SealFlag) -> Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file = memfd_create(c"guest", flags).map_err(|errno| errno.into());
    let file = File::from(file.map_err(Error::io("make a memory file"))?);
    file.set_len(bytes)
        .map_err(Error::io("size a memory file"))?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))
        .map_err(|errno| Error::io("seal a memory file")(errno.into()))?;
    Ok(file)
}

fn ranges(file: &File) -> Vec<MemfdRange<'_>> {
    let range = |page: &u32| MemfdRange {
        file: file.as_fd(),
        offset: u64::from(page * PAGE),
        length: PAGE.into(),
    };
    ORDER.iter().map(range).collect()
}

/// One row of samples for each page.
fn image(dma_buf: OwnedFd) -> Result<gpu_buffer::Image> {
    let exported = ExportedImage {
        width: PAGE,
        height: 5,
        format: DrmFourcc::R8,
        modifier: DrmModifier::Linear,
        planes: vec![ExportedPlane {
            fd: dma_buf,
            place: PlanePlace {
                offset: 0,
                stride: PAGE,
            },
        }],
    };
    let options = ImportOptions {
        access: Access::Write,
        unsealed: Unsealed::Refuse,
    };
    import(exported, options).map_err(Error::buffer("import the pages"))
}
