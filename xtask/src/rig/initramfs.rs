//! The guest's first file system: busybox, the modules that reach the host's root, two scripts.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::{Error, Result};
use crate::process;
use crate::rig::cpio::Archive;
use crate::setup::Parts;

/// Modules the guest needs, by name; those they depend on come along.
const MODULES: [&str; 6] = [
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "virtio_console",
    "virtio_gpu",
];

/// Programs of busybox that the scripts call, and those a stock host may lack.
const APPLETS: [&str; 34] = [
    "sh",
    "cat",
    "chmod",
    "cp",
    "date",
    "dmesg",
    "echo",
    "env",
    "grep",
    "hostname",
    "insmod",
    "kill",
    "ln",
    "ls",
    "lsmod",
    "mkdir",
    "mkfifo",
    "modprobe",
    "mount",
    "mv",
    "poweroff",
    "printf",
    "ps",
    "reboot",
    "rm",
    "rmmod",
    "setsid",
    "sleep",
    "stty",
    "switch_root",
    "sync",
    "test",
    "umount",
    "uname",
];

/// Builds the archive.
pub(crate) fn build(parts: &Parts) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in ["bin", "tools", "modules"] {
        archive.folder(folder);
    }
    archive.program("init", include_bytes!("../guest/init.sh"));
    archive.program("tools/agent", include_bytes!("../guest/agent.sh"));
    archive.program("tools/screenshot", include_bytes!("../guest/screenshot.sh"));
    archive.program("tools/desktop", include_bytes!("../guest/desktop.sh"));
    archive.program("bin/busybox", &read(&parts.busybox)?);
    for applet in APPLETS {
        archive.symlink(&format!("bin/{applet}"), "busybox");
    }
    let index = parts.kernel.modules.join("modules.dep");
    let text = fs::read_to_string(&index).map_err(Error::io("read", &index))?;
    let mut order = String::new();
    for path in load_order(&text, &MODULES) {
        let name = module_name(path);
        archive.program(
            &format!("modules/{name}"),
            &decompressed(&parts.kernel.modules.join(path), &parts.busybox)?,
        );
        order.push_str(&name);
        order.push('\n');
    }
    archive.program("modules/order", order.as_bytes());
    Ok(archive.finish())
}

/// A module as the smallest loader takes it.
fn decompressed(path: &Path, busybox: &Path) -> Result<Vec<u8>> {
    let (program, arguments): (&Path, &[&str]) =
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("xz") => (busybox, &["xzcat"]),
            Some("gz") => (busybox, &["zcat"]),
            Some("zst") => (Path::new("zstd"), &["-d", "-c"]),
            _ => return read(path),
        };
    process::capture_bytes(Command::new(program).args(arguments).arg(path))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::io("read", path))
}

/// The files to load for `wanted`, dependencies first. A name without a file is built in.
fn load_order<'a>(modules_dep: &'a str, wanted: &[&str]) -> Vec<&'a str> {
    let mut by_name = HashMap::new();
    let mut needs = HashMap::new();
    for line in modules_dep.lines() {
        if let Some((path, dependencies)) = line.split_once(':') {
            by_name.insert(module_name(path), path);
            needs.insert(path, dependencies.split_whitespace().collect::<Vec<_>>());
        }
    }
    let mut order = Vec::new();
    for name in wanted {
        if let Some(path) = by_name.get(*name) {
            visit(path, &needs, &mut order, 0);
        }
    }
    order
}

fn visit<'a>(
    path: &'a str,
    needs: &HashMap<&'a str, Vec<&'a str>>,
    order: &mut Vec<&'a str>,
    depth: u32,
) {
    if order.contains(&path) || depth > 64 {
        return;
    }
    for dependency in needs.get(path).into_iter().flatten() {
        visit(dependency, needs, order, depth.saturating_add(1));
    }
    order.push(path);
}

/// `kernel/drivers/gpu/drm/virtio/virtio-gpu.ko.xz` is the module `virtio_gpu`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let (name, _) = file.split_once(".ko").unwrap_or((file, ""));
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_load_first_and_once() {
        let index = "kernel/a/x-one.ko.xz: kernel/b/y.ko.xz kernel/b/z.ko\n\
                     kernel/b/y.ko.xz: kernel/b/z.ko\n\
                     kernel/b/z.ko:\n\
                     kernel/c/other.ko:\n";
        assert_eq!(
            load_order(index, &["x_one", "z", "built_in"]),
            ["kernel/b/z.ko", "kernel/b/y.ko.xz", "kernel/a/x-one.ko.xz"]
        );
    }

    #[test]
    fn a_cycle_ends() {
        let index = "a.ko: b.ko\nb.ko: a.ko\n";
        assert!(!load_order(index, &["a"]).is_empty());
    }
}
