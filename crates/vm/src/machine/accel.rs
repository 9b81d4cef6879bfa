//! Whether KVM runs a guest here.
//!
//! That /dev/kvm opens proves little: under some hypervisors a boot sector runs and a Linux kernel hangs
//! before its first word. So the probe is the real kernel: no byte on its console within
//! [`FIRST_BYTE`] means TCG. The answer holds until the host reboots and is kept in the user's cache.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use regex_lite::Regex;

use super::QEMU;
use crate::{Error, Service};

/// How long a kernel under KVM may stay silent. It takes well under a second on working hosts.
const FIRST_BYTE: Duration = Duration::from_secs(5);

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// The processor itself.
    Kvm,
    /// QEMU's translator: slower by an order of magnitude, runs everywhere.
    Tcg,
}

/// An answer and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What to use.
    pub accel: Accel,
    /// Why, for a person.
    pub why: String,
}

impl Accel {
    /// QEMU's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// Finds out with `kernel`, a bzImage, or from the cache.
    ///
    /// # Errors
    /// [`Error::Io`] when QEMU cannot be started.
    pub fn probe(kernel: &Path) -> Result<Choice, Error> {
        let opened = OpenOptions::new().read(true).write(true).open("/dev/kvm");
        if let Err(error) = opened {
            return Ok(Choice { accel: Self::Tcg, why: format!("/dev/kvm: {error}") });
        }
        let cache = Cache::of_this_boot();
        if let Some(accel) = cache.as_ref().and_then(Cache::read) {
            let why = match accel {
                Self::Kvm => "a kernel ran under KVM when it was tried after this host booted",
                Self::Tcg => "no kernel ran under KVM when it was tried after this host booted",
            };
            return Ok(Choice { accel, why: why.to_owned() });
        }
        let choice = try_kvm(kernel)?;
        if let Some(cache) = cache {
            // A cache that cannot be written costs the next call five seconds, not the answer.
            let _ = cache.write(choice.accel);
        }
        Ok(choice)
    }
}

fn try_kvm(kernel: &Path) -> Result<Choice, Error> {
    let mut command = Command::new(QEMU);
    command
        .args(["-accel", "kvm", "-cpu", "max", "-m", "512", "-nodefaults", "-display", "none"])
        .args(["-serial", "stdio", "-no-reboot", "-append", "console=ttyS0 earlyprintk=serial panic=-1"])
        .arg("-kernel")
        .arg(kernel);
    let probe = Service::start(&mut command, None)?;
    let word = probe.transcript().expect(&first_word(), FIRST_BYTE);
    Ok(match word {
        Ok(_) => Choice { accel: Accel::Kvm, why: "a kernel runs under KVM".to_owned() },
        Err(silence) if silence.ended => {
            let said = silence.tail.last().cloned().unwrap_or_default();
            Choice { accel: Accel::Tcg, why: format!("QEMU gives up on KVM: {said}") }
        }
        Err(_) => {
            let seconds = FIRST_BYTE.as_secs();
            let why = format!("a kernel said nothing under KVM for {seconds} s");
            Choice { accel: Accel::Tcg, why }
        }
    })
}

/// What only a kernel says, not QEMU's own complaints: its clock, or its name.
#[allow(clippy::expect_used)] // A constant pattern that a test compiles.
fn first_word() -> Regex {
    Regex::new(r"^\[ *[0-9]+\.[0-9]+\]|Linux version").expect("a constant pattern")
}

/// One line in the user's cache directory: the host's boot id and the answer.
struct Cache {
    file: PathBuf,
    boot: String,
}

impl Cache {
    fn of_this_boot() -> Option<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let of = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")))?;
        Some(Self { file: directory.join("bootwright/accel"), boot })
    }

    fn read(&self) -> Option<Accel> {
        let text = fs::read_to_string(&self.file).ok()?;
        match text.trim_end().split_once(' ')? {
            (boot, "kvm") if boot == self.boot => Some(Accel::Kvm),
            (boot, "tcg") if boot == self.boot => Some(Accel::Tcg),
            _ => None,
        }
    }

    fn write(&self, accel: Accel) -> std::io::Result<()> {
        if let Some(directory) = self.file.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&self.file, format!("{} {}\n", self.boot, accel.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kernel_counts_as_a_first_word() {
        assert!(first_word().is_match("[    0.000000] Linux version 6.12"));
        assert!(!first_word().is_match("qemu-system-x86_64: failed to initialize kvm: Permission denied"));
    }

    #[test]
    fn an_answer_holds_until_the_host_reboots() {
        let directory = tempfile::tempdir().unwrap();
        let cache = |boot: &str| Cache { file: directory.path().join("b/accel"), boot: boot.to_owned() };
        assert_eq!(cache("monday").read(), None);
        cache("monday").write(Accel::Tcg).unwrap();
        assert_eq!(cache("monday").read(), Some(Accel::Tcg));
        assert_eq!(cache("tuesday").read(), None);
    }
}
