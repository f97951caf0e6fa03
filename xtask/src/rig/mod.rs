//! The guest rig: a stock kernel under QEMU, the host's programs in it, our device as its GPU.

mod cpio;
mod daemon;
mod exchange;
mod initramfs;
mod options;
mod qmp;
pub(crate) mod rfb;
mod session;

pub(crate) use options::{DeviceKind, Display, Options, Size};
pub(crate) use session::{Job, Session};
