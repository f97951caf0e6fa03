//! The guest rig: a stock kernel under QEMU, the host's programs in it, our device as its GPU.

mod cpio;
mod daemon;
pub(crate) mod desktop;
mod exchange;
mod initramfs;
mod machine;
mod options;
mod qmp;
pub(crate) mod rfb;
mod session;
mod terminal;
mod wiretap;

pub(crate) use options::{DeviceKind, Display, FrontEnd, Options, Renderer, Size, Window};
pub(crate) use session::{Job, Session};
pub(crate) use wiretap::Record;
