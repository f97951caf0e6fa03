//! Lists of address ranges for the library, which keeps the pointer to a list
//! for as long as it is attached, and reads and writes through it.

use gpu_buffer::{Buffer, ScatterList};

use crate::RenderError;

/// A list that lives at one address until it is dropped. Nothing in it is
/// read or written by us once it is made.
#[derive(Debug)]
pub(super) struct Iovecs(Vec<libc::iovec>);

impl Iovecs {
    /// The ranges of a backing. The list must outlive the result: it keeps
    /// the memory mapped.
    ///
    /// # Errors
    /// [`RenderError::Impossible`]: it is not mapped, has 4 GiB or more (the
    /// library adds sizes in 32 bits), or too many ranges.
    pub(super) fn of_list(list: &ScatterList) -> Result<Self, RenderError> {
        if u32::try_from(list.total()).is_err() {
            return Err(RenderError::Impossible("a backing of 4 GiB or more"));
        }
        let slices = list
            .slices_at(0, list.total())
            .ok_or(RenderError::Impossible("a backing that is not mapped"))?;
        let ranges: Vec<_> = slices
            .map(|slice| libc::iovec {
                iov_base: slice.ptr_guard_mut().as_ptr().cast(),
                iov_len: slice.len(),
            })
            .collect();
        if i32::try_from(ranges.len()).is_err() {
            return Err(RenderError::Impossible("a backing of too many ranges"));
        }
        Ok(Self(ranges))
    }

    /// The memory of a buffer, which must outlive the result.
    pub(super) fn of_buffer(buffer: &Buffer) -> Self {
        let memory = buffer.memory();
        Self(vec![libc::iovec {
            iov_base: memory.ptr_guard_mut().as_ptr().cast(),
            iov_len: memory.len(),
        }])
    }

    /// Plain memory, which must outlive the result and not be used meanwhile.
    pub(super) fn of_bytes(bytes: &mut [u8]) -> Self {
        Self(vec![libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        }])
    }

    /// Bytes of the first range, 0 without any.
    pub(super) fn first_length(&self) -> usize {
        self.0.first().map_or(0, |range| range.iov_len)
    }

    /// Number of ranges.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where the list begins; the library does not write to it.
    pub(super) fn as_ptr(&self) -> *mut super::ffi::sys::iovec {
        self.0.as_ptr().cast_mut().cast()
    }
}
