//! GRUB for a BIOS: its core image with the commands in it, made by grub-mkimage.
//!
//! GRUB is under the GPL: it is taken from the distribution when it is there, nothing of it is in this
//! program. Specification of the places that are written: GRUB's `boot.S`, `diskboot.S` and the manual of
//! xorriso (`grub2-mbr`, `grub2-boot-info`).

use std::path::{Path, PathBuf};

use bootwright_formats::mbr::types;
use bootwright_formats::mbr::{Entry, Record};

use super::MediaError;
use crate::tool::Tool;

const DIRECTORY: &str = "/usr/lib/grub/i386-pc";
const MKIMAGE: Tool = Tool { program: "grub-mkimage", package: "grub-common" };
const SECTOR: usize = 512;

/// In boot.img: where the core image begins, 64 bits.
const KERNEL_SECTOR: usize = 0x5c;

/// In the core image's first sector: where the rest of it begins, 64 bits, in front of its length.
const BLOCK_LIST: usize = 0x1f4;

/// Code of a boot record.
const CODE: usize = 440;

/// The part of it that is code in boot_hybrid.img; its address comes behind.
const HYBRID_CODE: usize = 432;

/// Modules that load a kernel from a disk, an ISO or a stick.
const MODULES: &[&str] = &["biosdisk", "iso9660", "part_gpt", "part_msdos", "linux", "boot"];

/// GRUB's files for a BIOS.
#[derive(Debug, Clone)]
pub struct Grub {
    directory: PathBuf,
}

impl Grub {
    /// GRUB where the distribution puts it; `None` when it is not installed.
    pub fn find() -> Option<Self> {
        let directory = PathBuf::from(DIRECTORY);
        let there = |name: &str| directory.join(name).is_file();
        (there("boot_hybrid.img") && there("cdboot.img") && there("boot.img")).then_some(Self { directory })
    }

    /// GRUB, or what to do to have it.
    pub fn demand() -> Result<Self, MediaError> {
        Self::find().ok_or_else(|| MediaError::NoGrub(DIRECTORY.into()))
    }

    /// The files whose change changes what is made.
    pub fn inputs(&self) -> Vec<PathBuf> {
        vec![self.directory.join("kernel.img"), self.directory.join("boot.img")]
    }

    /// The boot image of an ISO that loads `linux` and `initrd`, files of the ISO.
    pub(super) fn eltorito(&self, linux: &str, initrd: &str, cmdline: &str) -> Result<Vec<u8>, MediaError> {
        self.core("i386-pc-eltorito", &commands(linux, initrd, cmdline))
    }

    /// The core image of a disk that lies at `sector`, with a block list for itself.
    pub(super) fn disk_core(
        &self,
        (linux, initrd): (&str, &str),
        cmdline: &str,
        sector: u64,
    ) -> Result<Vec<u8>, MediaError> {
        let mut core = self.core("i386-pc", &commands(linux, initrd, cmdline))?;
        self.set(&mut core, BLOCK_LIST, sector + 1, "core.img")?;
        core.resize(core.len().next_multiple_of(SECTOR), 0);
        Ok(core)
    }

    /// The code of an ISO's boot record; the address of the core image goes behind it.
    pub(super) fn hybrid_code(&self) -> Result<Vec<u8>, MediaError> {
        let mut code = self.read("boot_hybrid.img")?;
        code.truncate(HYBRID_CODE);
        Ok(code)
    }

    /// The boot record of a disk of `size` bytes with a core image at `sector`.
    pub(super) fn disk_record(&self, sector: u64, size: u64, signature: u32) -> Result<Vec<u8>, MediaError> {
        let mut code = self.read("boot.img")?;
        code.truncate(CODE);
        self.set(&mut code, KERNEL_SECTOR, sector, "boot.img")?;
        let mut record = Record::new(code, signature);
        let end = size.min(u64::from(u32::MAX) * 512);
        // As on an ISO: the second entry is active and of type 0, for BIOSes that want an active one.
        record.entries = [
            Some(Entry { kind: types::PROTECTIVE, active: false, range: 512..end }),
            Some(Entry { kind: 0, active: true, range: 0..512 }),
            None,
            None,
        ];
        Ok(record.to_bytes()?)
    }

    /// Writes a 64-bit sector into a file of GRUB.
    fn set(&self, bytes: &mut [u8], at: usize, value: u64, name: &str) -> Result<(), MediaError> {
        let path = self.directory.join(name);
        let room = bytes.get_mut(at..at + 8);
        let room = room.ok_or_else(|| MediaError::Grub { path, problem: "it is too short".to_owned() })?;
        room.copy_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, MediaError> {
        let path = self.directory.join(name);
        let bytes = std::fs::read(&path).map_err(|source| MediaError::Io { path: path.clone(), source })?;
        if bytes.len() != SECTOR {
            let problem = format!("it has {} bytes, not {SECTOR}", bytes.len());
            return Err(MediaError::Grub { path, problem });
        }
        Ok(bytes)
    }

    fn core(&self, format: &str, commands: &str) -> Result<Vec<u8>, MediaError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| MediaError::Io { path, source }
        };
        let work = tempfile::tempdir().map_err(at(&std::env::temp_dir()))?;
        let (config, output) = (work.path().join("commands"), work.path().join("core.img"));
        std::fs::write(&config, commands).map_err(at(&config))?;
        let mut command = MKIMAGE.command();
        command.args(["--format", format, "--prefix", "/boot/grub", "--compression", "xz"]);
        command.arg("--directory").arg(&self.directory).arg("--config").arg(&config);
        command.arg("--output").arg(&output).args(MODULES);
        MKIMAGE.run(&mut command, None, &|_| {})?;
        std::fs::read(&output).map_err(at(&output))
    }
}

/// What GRUB does, without a menu.
fn commands(linux: &str, initrd: &str, cmdline: &str) -> String {
    let words: String =
        cmdline.split(' ').filter(|word| !word.is_empty()).map(|word| format!(" {}", quote(word))).collect();
    format!("linux {linux}{words}\ninitrd {initrd}\nboot\n")
}

/// A word that GRUB takes as it is.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_command_line_reach_the_kernel_as_they_are() {
        let commands = commands("/boot/linux", "/boot/initrd", "quiet a=\"b c\" d='e' $x");
        let lines: Vec<_> = commands.lines().collect();
        assert_eq!(lines[0], r#"linux /boot/linux 'quiet' 'a="b' 'c"' 'd='\''e'\''' '$x'"#);
        assert_eq!(lines[1..], ["initrd /boot/initrd", "boot"]);
    }
}
