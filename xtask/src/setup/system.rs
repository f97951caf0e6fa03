//! Which Linux distribution this is, and how it names what we need.

use std::fs;

use crate::error::Error;

/// Distributions that share package names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Debian itself: packages can be fetched and unpacked aside.
    Debian,
    /// Anything else.
    Other,
}

/// The system we run on.
#[derive(Debug, Clone)]
pub(crate) struct System {
    /// How its packages are named.
    pub(crate) family: Family,
    /// Debian's code name of its release.
    pub(crate) codename: String,
    /// Whether we may install packages.
    pub(crate) root: bool,
}

impl System {
    /// Reads `os-release`.
    pub(crate) fn detect() -> Self {
        let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self::parse(&text, nix::unistd::geteuid().is_root())
    }

    fn parse(os_release: &str, root: bool) -> Self {
        let field = |name: &str| {
            os_release
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim_matches('"').to_owned())
                .unwrap_or_default()
        };
        let codename = field("VERSION_CODENAME");
        let family = if field("ID") == "debian" && !codename.is_empty() {
            Family::Debian
        } else {
            Family::Other
        };
        Self {
            family,
            codename,
            root,
        }
    }

    /// The error for a system whose packages we cannot fetch ourselves.
    pub(crate) fn missing_rig_parts(&self) -> Error {
        Error::Missing {
            what: "QEMU 8.0 or newer with vhost-user-gpu-pci, a kernel image in /lib/modules or a static busybox is missing"
                .to_owned(),
            hint: "Fedora: dnf install qemu-system-x86 qemu-device-display-vhost-user-gpu \
                   kernel-core kernel-modules busybox; \
                   Arch: pacman -S qemu-system-x86 qemu-hw-display-virtio-gpu-pci linux busybox"
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_is_recognised_by_its_code_name() {
        let system = System::parse("ID=debian\nVERSION_CODENAME=trixie\n", false);
        assert_eq!(system.family, Family::Debian);
        assert_eq!(system.codename, "trixie");
    }

    #[test]
    fn others_are_not_debian() {
        for text in [
            "ID=fedora\nVERSION_CODENAME=\"\"\n",
            "ID=ubuntu\nVERSION_CODENAME=noble\n",
            "",
        ] {
            assert_eq!(System::parse(text, true).family, Family::Other);
        }
    }
}
