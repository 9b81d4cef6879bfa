//! A root that another machine has and this one uses where it is: by NBD, by NVMe over TCP, by NFS; by dracut's names
//! (dracut.cmdline(7)).
//!
//! | parameter | meaning |
//! |---|---|
//! | `root=nbd:SERVER:PORT-OR-EXPORT[:FSTYPE[:ROOTFLAGS]]` | a network block device |
//! | `rd.nvmf.discover=tcp,ADDRESS[,,PORT]` | every subsystem that the discovery controller there names; `root=` is on one |
//! | `root=nfs:SERVER:PATH[:OPTIONS]`, `nfs4:` | a directory |
//!
//! Where the initrd pins an image, a block device is a medium like a disk or a stick: the pinned image is looked for on
//! it and verified. Without a pin nothing vouches for the bytes, and the line has to say that this is meant, by
//! `bootwright.verify=off`. `netroot=` is `root=`, too.

mod nbd;
mod nfs;
mod nvme;

use bootwright_image::cmdline::CommandLine;

pub use nbd::Nbd;
pub use nfs::Nfs;
pub use nvme::{Discovery, Nvme};

/// Where the root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// A network block device.
    Nbd(Nbd),
    /// A namespace of an NVMe subsystem.
    Nvme(Nvme),
    /// A directory.
    Nfs(Nfs),
}

/// How a file system is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounting {
    /// Its kind; absent: what its superblock says.
    pub kind: Option<String>,
    /// The options of its driver, with commas between them.
    pub options: String,
    /// `rw` on the line: writes go to the other machine, instead of into memory.
    pub writable: bool,
}

/// Which block device the root is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// By its path.
    Path(String),
    /// By the UUID of its file system, in lower case.
    Uuid(String),
    /// By the label of its file system.
    Label(String),
    /// Nobody says: the only one that there is.
    Any,
}

impl Remote {
    /// Where it is, for the operator.
    pub fn describe(&self) -> String {
        match self {
            Self::Nbd(nbd) => nbd.describe(),
            Self::Nvme(nvme) => nvme.describe(),
            Self::Nfs(nfs) => nfs.describe(),
        }
    }

    /// Whether it is a block device, on which a pinned image can lie.
    pub fn is_device(&self) -> bool {
        !matches!(self, Self::Nfs(_))
    }
}

/// The root on another machine that the line names; `None` when it names none.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub fn read(line: &CommandLine) -> Result<Option<Remote>, String> {
    let root = ["netroot", "root"].into_iter().filter_map(|key| line.get(key));
    for value in root {
        let found = match value.split_once(':') {
            Some(("nbd", rest)) => Some(Nbd::parse(rest, mounting(line)).map(Remote::Nbd)),
            Some(("nfs" | "nfs4", _)) => Some(Nfs::parse(value, is_writable(line)).map(Remote::Nfs)),
            _ => None,
        };
        if let Some(found) = found {
            return found.map(Some).map_err(|problem| format!("root={value}: {problem}"));
        }
    }
    Ok(Nvme::read(line)?.map(Remote::Nvme))
}

/// Keys that [`read`] looks at, beside `root`.
pub(crate) const KEYS: [&str; 4] = ["netroot", "rd.nvmf.discover", "rd.nvmf.hostnqn", "rd.nvmf.hostid"];

fn is_writable(line: &CommandLine) -> bool {
    let last = line.parameters.iter().rev().find(|parameter| parameter.is("rw") || parameter.is("ro"));
    last.is_some_and(|parameter| parameter.is("rw"))
}

fn mounting(line: &CommandLine) -> Mounting {
    Mounting {
        kind: line.get("rootfstype").filter(|kind| !kind.is_empty()).map(str::to_owned),
        options: driver_options(line),
        writable: is_writable(line),
    }
}

/// What `rootflags=` says to the driver of the root's file system. Words that mean the same for every file system are
/// mount(8)'s: the root is mounted as `rw` says, and they would be refused by the driver.
pub fn driver_options(line: &CommandLine) -> String {
    const OF_MOUNT: &[&str] = &[
        "ro",
        "rw",
        "defaults",
        "atime",
        "noatime",
        "relatime",
        "norelatime",
        "strictatime",
        "nostrictatime",
        "diratime",
        "nodiratime",
        "lazytime",
        "nolazytime",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "exec",
        "noexec",
        "sync",
        "async",
        "dirsync",
        "auto",
        "noauto",
        "nofail",
        "_netdev",
        "user",
        "nouser",
    ];
    let flags = line.get("rootflags").unwrap_or_default();
    let of_mount = |word: &&str| {
        word.is_empty() || OF_MOUNT.contains(word) || word.starts_with("x-") || word.starts_with("comment=")
    };
    flags.split(',').filter(|word| !of_mount(word)).collect::<Vec<_>>().join(",")
}

/// A name or address that goes into system calls and messages.
fn host(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:%_".contains(&byte);
    match !text.is_empty() && text.len() <= 255 && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no name or address of a server")),
    }
}

/// The name of a file system, which the kernel loads a module by.
fn kind(text: &str) -> Result<Option<String>, String> {
    match text {
        "" | "auto" => Ok(None),
        text if text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
            Ok(Some(text.to_owned()))
        }
        text => Err(format!("{text:?} is no file system")),
    }
}

impl Device {
    fn parse(value: &str) -> Result<Self, String> {
        match value.split_once('=') {
            Some(("UUID", uuid)) => Ok(Self::Uuid(uuid.to_ascii_lowercase())),
            Some(("LABEL", label)) => Ok(Self::Label(label.to_owned())),
            None if value.is_empty() => Ok(Self::Any),
            None if value.starts_with("/dev/") && !value.contains("..") => Ok(Self::Path(value.to_owned())),
            _ => Err(format!("root={value}: write root=/dev/nvme0n1, UUID=… or LABEL=…")),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Path(path) => path.clone(),
            Self::Uuid(uuid) => format!("the file system with UUID {uuid}"),
            Self::Label(label) => format!("the file system with label {label}"),
            Self::Any => "the first file system".to_owned(),
        }
    }
}

/// `[fd00::1]:10809` or `10.0.0.1:10809`.
fn endpoint(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(line: &str) -> Result<Option<Remote>, String> {
        read(&CommandLine::parse(line))
    }

    #[test]
    fn a_line_names_a_root_on_another_machine_or_none() {
        for line in ["", "root=/dev/sda1", "root=live:http://s/x", "root=UUID=1 ro", "root=a:b"] {
            assert_eq!(found(line), Ok(None), "{line}");
        }
        assert!(matches!(found("root=nbd:10.0.0.1:root"), Ok(Some(Remote::Nbd(_)))));
        assert!(matches!(found("root=/dev/nbd0 netroot=nbd:10.0.0.1:root"), Ok(Some(Remote::Nbd(_)))));
        assert!(matches!(found("root=nfs4:10.0.0.1:/srv"), Ok(Some(Remote::Nfs(_)))));
        let nvme = found("rd.nvmf.discover=tcp,10.0.0.1,,4420 root=UUID=AB rw").unwrap().unwrap();
        assert_eq!(nvme.describe(), "the file system with UUID ab by NVMe from 10.0.0.1:4420");
        assert!(found("root=nbd:10.0.0.1").unwrap_err().starts_with("root=nbd:10.0.0.1: write root=nbd:"));
    }

    #[test]
    fn the_last_of_ro_and_rw_counts() {
        let writable = |line: &str| is_writable(&CommandLine::parse(line));
        assert!(!writable("") && !writable("rw ro") && writable("ro rw"));
    }

    proptest! {
        #[test]
        fn any_root_is_answered(scheme in "nbd|nfs|nfs4", rest in "[a-z0-9:./,\\[\\]=-]{0,50}") {
            let _ = found(&format!("root={scheme}:{rest}"));
            let _ = found(&format!("rd.nvmf.discover={rest}"));
        }
    }
}
