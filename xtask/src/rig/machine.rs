//! The machine that QEMU is told to be.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::rig::options::{DeviceKind, FrontEnd, Options, Window};
use crate::rig::qmp::GPU;
use crate::setup::Parts;

/// A virtio-gpu for a driver: VIRTIO 1.4 §5.7.1 has its number, §5.7.2 its queues and §5.7.4 its
/// configuration, of which the daemon has all.
const ANY_DEVICE: &str =
    "vhost-user-test-device-pci,virtio-id=16,num_vqs=2,vq_size=256,config_size=20";
const MEMORY_MIB: u32 = 2048;

/// Where the parts of one run meet.
#[derive(Debug)]
pub(super) struct Paths {
    /// Sockets and the exchange folder; short, because socket paths must be, and gone afterwards.
    pub(super) run: TempDir,
    /// Where QEMU finds our device.
    pub(super) gpu: PathBuf,
    /// What the kernel says.
    pub(super) console: PathBuf,
    /// What the user's command prints.
    pub(super) terminal: PathBuf,
}

/// The command that starts it.
pub(super) fn command(parts: &Parts, paths: &Paths, out: &Path, options: &Options) -> Command {
    let run = paths.run.path();
    let mut command = parts.qemu.command();
    let mut add = |option: &str, value: String| {
        command.arg(option).arg(value);
    };
    add("-machine", "q35,memory-backend=memory".to_owned());
    if options.kvm {
        add("-accel", "kvm".to_owned());
        add("-cpu", "host".to_owned());
    } else {
        add("-accel", "tcg,thread=multi".to_owned());
        // As an AMD family 6 processor, which is what "max" says, LLVM takes it for a 32-bit one.
        add(
            "-cpu",
            "max,vendor=GenuineIntel,family=6,model=60,stepping=3".to_owned(),
        );
    }
    add("-smp", "2".to_owned());
    add("-m", format!("{MEMORY_MIB}M"));
    add(
        "-object",
        format!("memory-backend-memfd,id=memory,size={MEMORY_MIB}M,share=on"),
    );
    add("-kernel", parts.kernel.image.display().to_string());
    add("-initrd", run.join("initramfs").display().to_string());
    add(
        "-append",
        format!(
            "console=ttyS0 quiet loglevel=4 panic=0{}",
            forced_screens(options.max_outputs)
        ),
    );
    add(
        "-chardev",
        format!("file,id=console,path={}", escape(&paths.console)),
    );
    add("-serial", "chardev:console".to_owned());
    add("-device", "virtio-serial-pci".to_owned());
    add(
        "-chardev",
        format!("file,id=terminal,path={}", escape(&paths.terminal)),
    );
    add("-device", "virtconsole,chardev=terminal".to_owned());
    add(
        "-qmp",
        format!("unix:{},server=on,wait=off", escape(&run.join("qmp"))),
    );
    let share = |path: &Path, tag: &str, rest: &str| {
        format!(
            "local,path={},mount_tag={tag},security_model=none,multidevs=remap{rest}",
            escape(path)
        )
    };
    add("-virtfs", share(Path::new("/"), "host", ",readonly=on"));
    add("-virtfs", share(&run.join("exchange"), "rig", ""));
    add("-virtfs", share(out, "out", ""));
    let screen = format!(
        "id={GPU},max_outputs={},xres={},yres={}",
        options.max_outputs, options.size.width, options.size.height
    );
    match options.device {
        DeviceKind::Ours => {
            add(
                "-chardev",
                format!("socket,id=gpu,path={}", escape(&paths.gpu)),
            );
            let device = match options.front_end {
                FrontEnd::Gpu => format!("vhost-user-gpu-pci,{screen}"),
                FrontEnd::AnyDevice => ANY_DEVICE.to_owned(),
            };
            add("-device", format!("{device},chardev=gpu"));
        }
        DeviceKind::Qemu => add("-device", format!("virtio-gpu-pci,{screen}")),
    }
    match options.window {
        Some(window) => {
            let kind = match window {
                Window::Gtk => "gtk",
                Window::Sdl => "sdl",
            };
            // QEMU wants a display that could show dma-bufs for a vhost-user-gpu.
            let gl = match options.device {
                DeviceKind::Ours => "on",
                DeviceKind::Qemu => "off",
            };
            add("-display", format!("{kind},gl={gl}"));
            add("-device", "virtio-tablet-pci".to_owned());
            add("-device", "virtio-keyboard-pci".to_owned());
        }
        // A VNC server refuses a vhost-user-gpu: its screens may send dma-bufs.
        None if options.device == DeviceKind::Ours => add("-display", "none".to_owned()),
        None => {
            for head in 0..options.max_outputs {
                let socket = escape(&run.join(format!("vnc{head}")));
                add(
                    "-display",
                    format!("vnc=unix:{socket},display={GPU},head={head}"),
                );
            }
        }
    }
    command.args(["-nodefaults", "-vga", "none"]);
    command
}

/// QEMU enables a screen beyond the first when somebody resizes its window. Where nobody can, the
/// kernel takes it for connected.
fn forced_screens(max_outputs: u32) -> String {
    (2..=max_outputs)
        .map(|number| format!(" video=Virtual-{number}:e"))
        .collect()
}

/// QEMU takes a comma in a value as the value's end unless it is doubled.
fn escape(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_paths_are_doubled() {
        assert_eq!(escape(Path::new("/a,b")), "/a,,b");
    }
}
