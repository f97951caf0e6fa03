//! The started library: one method for each C function, each error with its
//! function's name.
//!
//! GL is bound to a thread and the library's tables have no locks, so the
//! value stays on the thread that made it. Ids that the library does not know
//! do no harm, but most functions do not say so: the caller keeps tables of
//! its own.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;

use super::ffi::{self, VirglBox, check, sys};
use super::init::Claim;
use super::iovec::Iovecs;
use crate::{CapsetId, ContextId, RenderError, ResourceArgs, ResourceId};

/// The newest set of callbacks that all versions know, and the oldest with
/// `get_drm_fd`.
const CALLBACKS_VERSION: c_int = 2;

/// The library refuses the start if it gets no cookie, without a word.
const NO_RENDERER: c_int = -1;

static CALLBACKS: sys::virgl_renderer_callbacks = sys::virgl_renderer_callbacks {
    version: CALLBACKS_VERSION,
    write_fence: Some(write_fence),
    create_gl_context: None,
    destroy_gl_context: None,
    make_current: None,
    get_drm_fd: Some(get_drm_fd),
    write_context_fence: None,
    get_server_fd: None,
    get_egl_display: None,
};

/// What the callbacks work on.
#[derive(Debug)]
struct Cookie {
    /// The newest fence that has passed, if one has since the last look.
    newest_fence: Cell<Option<u32>>,
    render_node: Option<PathBuf>,
}

/// The library, started. It ends when this is dropped; memory that it was
/// given must be there until then.
#[derive(Debug)]
pub(super) struct Library {
    cookie: *mut Cookie,
    /// Let go of after the library has ended.
    _claim: Claim,
    _one_thread: PhantomData<*mut ()>,
}

/// A copy between a resource and memory.
#[derive(Debug)]
pub(super) struct Copy<'a> {
    pub(super) resource: ResourceId,
    /// 0 for the library's own context.
    pub(super) context: u32,
    pub(super) level: u32,
    pub(super) stride: u32,
    pub(super) layer_stride: u32,
    pub(super) region: VirglBox,
    pub(super) offset: u64,
    /// `None` for what is attached.
    pub(super) memory: Option<&'a Iovecs>,
}

impl Copy<'_> {
    fn memory(&self) -> (*mut sys::iovec, usize) {
        self.memory.map_or((std::ptr::null_mut(), 0), |memory| {
            (memory.as_ptr(), memory.len())
        })
    }
}

impl Library {
    /// Starts the library on this thread: on a render node, or on EGL without
    /// a device.
    pub(super) fn start(claim: Claim, render_node: Option<PathBuf>) -> Result<Self, RenderError> {
        let flags = match render_node {
            Some(_) => sys::VIRGL_RENDERER_USE_EGL,
            None => sys::VIRGL_RENDERER_USE_EGL | sys::VIRGL_RENDERER_USE_SURFACELESS,
        };
        let flags = c_int::try_from(flags).unwrap_or(0);
        let cookie = Box::into_raw(Box::new(Cookie {
            newest_fence: Cell::new(None),
            render_node,
        }));
        let callbacks = (&raw const CALLBACKS).cast_mut();
        // SAFETY: cookie and callbacks live until the library has ended; the
        // library does not write to the callbacks. The claim says that no
        // other renderer of this process uses it.
        let code = unsafe { sys::virgl_renderer_init(cookie.cast(), flags, callbacks) };
        if let Err(error) = check("virgl_renderer_init", code) {
            // SAFETY: it came from a box, and a library that did not start
            // has forgotten it.
            drop(unsafe { Box::from_raw(cookie) });
            return Err(error);
        }
        Ok(Self {
            cookie,
            _claim: claim,
            _one_thread: PhantomData,
        })
    }

    /// Newest version and length of a capability set; 0 bytes if there is
    /// none.
    pub(super) fn capset_size(&self, id: CapsetId) -> (u32, u32) {
        let (mut version, mut size) = (0, 0);
        // SAFETY: both pointers are good for a write.
        unsafe { sys::virgl_renderer_get_cap_set(id.0, &raw mut version, &raw mut size) };
        (version, size)
    }

    /// Has a capability set written to `data`, which has at least
    /// [`Library::capset_size`] bytes and the alignment of its numbers.
    pub(super) fn fill_capset(&self, id: CapsetId, version: u32, data: &mut [u64]) {
        // SAFETY: the caller made room for all that the library says it
        // writes, and more.
        unsafe { sys::virgl_renderer_fill_caps(id.0, version, data.as_mut_ptr().cast()) };
    }

    pub(super) fn create_context(
        &self,
        context: ContextId,
        capset: CapsetId,
        name: &[u8],
    ) -> Result<(), RenderError> {
        let length = u32::try_from(name.len()).unwrap_or(0);
        // SAFETY: the name has `length` bytes and is only read during the
        // call.
        let code = unsafe {
            sys::virgl_renderer_context_create_with_flags(
                context.0,
                capset.0,
                length,
                name.as_ptr().cast(),
            )
        };
        check("virgl_renderer_context_create_with_flags", code)
    }

    pub(super) fn destroy_context(&self, context: ContextId) {
        // SAFETY: any id may be given.
        unsafe { sys::virgl_renderer_context_destroy(context.0) };
    }

    pub(super) fn attach_resource(&self, context: ContextId, resource: ResourceId) {
        // SAFETY: any ids may be given.
        unsafe {
            sys::virgl_renderer_ctx_attach_resource(signed(context.0), signed(resource.0));
        }
    }

    pub(super) fn detach_resource(&self, context: ContextId, resource: ResourceId) {
        // SAFETY: any ids may be given.
        unsafe {
            sys::virgl_renderer_ctx_detach_resource(signed(context.0), signed(resource.0));
        }
    }

    pub(super) fn create_resource(
        &self,
        resource: ResourceId,
        args: &ResourceArgs,
    ) -> Result<(), RenderError> {
        let mut args = create_args(resource, args);
        // SAFETY: the arguments are only read during the call; there is no
        // list of ranges.
        let code =
            unsafe { sys::virgl_renderer_resource_create(&raw mut args, std::ptr::null_mut(), 0) };
        check("virgl_renderer_resource_create", code)
    }

    /// Makes a resource of an EGL image.
    ///
    /// # Safety
    /// The image must be one of the library's display.
    pub(super) unsafe fn import_image(
        &self,
        resource: ResourceId,
        args: &ResourceArgs,
        image: *mut c_void,
    ) -> Result<(), RenderError> {
        let mut args = create_args(resource, args);
        // SAFETY: the arguments are only read during the call; the caller
        // has the image.
        let code = unsafe { sys::virgl_renderer_resource_import_eglimage(&raw mut args, image) };
        check("virgl_renderer_resource_import_eglimage", code)
    }

    /// The name of a resource's texture in GL.
    pub(super) fn texture(&self, resource: ResourceId) -> Result<u32, RenderError> {
        let mut info = MaybeUninit::<Info>::zeroed();
        let pointer = info.as_mut_ptr().cast();
        // SAFETY: there is room for what any version writes.
        let code = unsafe { sys::virgl_renderer_resource_get_info(signed(resource.0), pointer) };
        check("virgl_renderer_resource_get_info", code)?;
        // SAFETY: numbers only, so zeros are fine, and so is what was written.
        let info = unsafe { info.assume_init() };
        Ok(info.known.tex_id)
    }

    pub(super) fn unref_resource(&self, resource: ResourceId) {
        // SAFETY: any id may be given.
        unsafe { sys::virgl_renderer_resource_unref(resource.0) };
    }

    /// # Safety
    /// `memory` and the ranges in it must stay until
    /// [`Library::detach_memory`], [`Library::reset`] or the end.
    pub(super) unsafe fn attach_memory(
        &self,
        resource: ResourceId,
        memory: &Iovecs,
    ) -> Result<(), RenderError> {
        let count = c_int::try_from(memory.len()).unwrap_or(0);
        // SAFETY: the list has `count` entries, and the caller keeps it.
        let code = unsafe {
            sys::virgl_renderer_resource_attach_iov(signed(resource.0), memory.as_ptr(), count)
        };
        check("virgl_renderer_resource_attach_iov", code)
    }

    pub(super) fn detach_memory(&self, resource: ResourceId) {
        // SAFETY: any id may be given, and what was attached need not be
        // returned.
        unsafe {
            sys::virgl_renderer_resource_detach_iov(
                signed(resource.0),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            );
        }
    }

    /// Copies from memory to a resource.
    ///
    /// # Safety
    /// The ranges of the memory must be there.
    pub(super) unsafe fn copy_to_host(&self, copy: &Copy<'_>) -> Result<(), RenderError> {
        let (ranges, count) = copy.memory();
        let mut region = copy.region;
        // SAFETY: the list has `count` entries, which the caller keeps for
        // the call, like the box.
        let code = unsafe {
            sys::virgl_renderer_transfer_write_iov(
                copy.resource.0,
                copy.context,
                signed(copy.level),
                copy.stride,
                copy.layer_stride,
                (&raw mut region).cast(),
                copy.offset,
                ranges,
                u32::try_from(count).unwrap_or(0),
            )
        };
        check("virgl_renderer_transfer_write_iov", code)
    }

    /// Copies from a resource to memory.
    ///
    /// # Safety
    /// The ranges of the memory must be there.
    pub(super) unsafe fn copy_from_host(&self, copy: &Copy<'_>) -> Result<(), RenderError> {
        let (ranges, count) = copy.memory();
        let mut region = copy.region;
        // SAFETY: the list has `count` entries, which the caller keeps for
        // the call, like the box.
        let code = unsafe {
            sys::virgl_renderer_transfer_read_iov(
                copy.resource.0,
                copy.context,
                copy.level,
                copy.stride,
                copy.layer_stride,
                (&raw mut region).cast(),
                copy.offset,
                ranges,
                c_int::try_from(count).unwrap_or(0),
            )
        };
        check("virgl_renderer_transfer_read_iov", code)
    }

    pub(super) fn submit(
        &self,
        context: ContextId,
        commands: &mut [u32],
    ) -> Result<(), RenderError> {
        let words = c_int::try_from(commands.len())
            .map_err(|_| RenderError::Impossible("a command stream of 8 GiB or more"))?;
        // SAFETY: the buffer has `words` words and their alignment.
        let code = unsafe {
            sys::virgl_renderer_submit_cmd(commands.as_mut_ptr().cast(), signed(context.0), words)
        };
        check("virgl_renderer_submit_cmd", code)
    }

    pub(super) fn create_fence(&self, number: u32) -> Result<(), RenderError> {
        // SAFETY: any number may be given.
        let code = unsafe { sys::virgl_renderer_create_fence(signed(number), 0) };
        check("virgl_renderer_create_fence", code)
    }

    /// A sync file of a fence; of one that the library does not have, it is
    /// readable. EGL has to have native fences.
    pub(super) fn export_fence(&self, number: u32) -> Result<OwnedFd, RenderError> {
        const CALL: &str = "virgl_renderer_export_fence";
        let function = ffi::symbol(c"virgl_renderer_export_fence");
        let function =
            function.ok_or(RenderError::Impossible("virglrenderer exports no fences"))?;
        // SAFETY: the library's function of that name has this type.
        let export = unsafe { std::mem::transmute::<*mut c_void, ffi::ExportFence>(function) };
        let mut fd = -1;
        // SAFETY: the library is started, on this thread; any number may be
        // given, and the pointer is good for a write.
        let code = unsafe { export(number.into(), &raw mut fd) };
        check(CALL, code)?;
        // It says that it has worked where EGL has refused.
        if fd < 0 {
            return Err(RenderError::Refused {
                call: CALL,
                code: fd,
            });
        }
        // SAFETY: the library has made it for the caller, who owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Looks after fences; the newest that has passed, if one has.
    pub(super) fn poll(&self) -> Option<u32> {
        // SAFETY: the library is started, on this thread.
        unsafe { sys::virgl_renderer_poll() };
        // SAFETY: the cookie lives as long as this does and is only shared.
        let cookie = unsafe { &*self.cookie };
        cookie.newest_fence.take()
    }

    /// Makes the library's own GL context current.
    pub(super) fn make_current(&self) {
        // SAFETY: the library is started, on this thread.
        unsafe { sys::virgl_renderer_force_ctx_0() };
    }

    /// Destroys all contexts and resources, and lets go of all memory.
    pub(super) fn reset(&self) {
        // SAFETY: the library is started, on this thread.
        unsafe { sys::virgl_renderer_reset() };
        // SAFETY: the cookie lives as long as this does and is only shared.
        let cookie = unsafe { &*self.cookie };
        cookie.newest_fence.set(None);
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: the library is started, on this thread; nothing uses it
        // after this.
        unsafe { sys::virgl_renderer_cleanup(self.cookie.cast()) };
        // SAFETY: it came from a box, and the library has forgotten it.
        drop(unsafe { Box::from_raw(self.cookie) });
    }
}

/// Room for a resource's description beyond what the header knows: newer
/// libraries write more than an older header says.
const INFO_ROOM: usize = 64;

#[repr(C)]
struct Info {
    known: sys::virgl_renderer_resource_info,
    room: [u8; INFO_ROOM],
}

fn create_args(
    resource: ResourceId,
    args: &ResourceArgs,
) -> sys::virgl_renderer_resource_create_args {
    sys::virgl_renderer_resource_create_args {
        handle: resource.0,
        target: args.target,
        format: args.format,
        bind: args.bind,
        width: args.width,
        height: args.height,
        depth: args.depth,
        array_size: args.array_size,
        last_level: args.last_level,
        nr_samples: args.samples,
        flags: args.flags,
    }
}

/// Ids and numbers are unsigned in the protocol and signed in some
/// functions, which take them back to unsigned.
const fn signed(value: u32) -> c_int {
    value.cast_signed()
}

/// Called by [`Library::poll`] only: there are no other threads without
/// THREAD_SYNC.
unsafe extern "C" fn write_fence(cookie: *mut c_void, number: u32) {
    // SAFETY: the library passes the cookie that it was started with.
    let cookie = unsafe { &*cookie.cast::<Cookie>() };
    cookie.newest_fence.set(Some(number));
}

/// Called by the start only. The library closes what it gets.
unsafe extern "C" fn get_drm_fd(cookie: *mut c_void) -> c_int {
    // SAFETY: the library passes the cookie that it was started with.
    let cookie = unsafe { &*cookie.cast::<Cookie>() };
    let Some(path) = &cookie.render_node else {
        return NO_RENDERER;
    };
    match File::options().read(true).write(true).open(path) {
        Ok(file) => file.into_raw_fd(),
        Err(_) => NO_RENDERER,
    }
}
