//! Telling the formats apart.

use super::SECTOR;
use super::field::{Fields as _, read_up_to};
use crate::ReadAt;

/// A format of disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The disk's bytes as they are.
    Raw,
    /// QEMU's copy-on-write format, versions 2 and 3.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// Microsoft's older one, also `.vpc`.
    Vhd,
    /// Microsoft's newer one.
    Vhdx,
    /// VirtualBox's.
    Vdi,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Raw, Self::Qcow2, Self::Vmdk, Self::Vhd, Self::Vhdx, Self::Vdi];

    /// Tells the format by the magic of its first and last bytes. What has none is [`Raw`](Self::Raw).
    pub fn detect(bytes: &dyn ReadAt) -> std::io::Result<Self> {
        let head = read_up_to(bytes, 0, 512)?;
        if let Some(format) = Self::by_head(&head) {
            return Ok(format);
        }
        // A fixed VHD has its only magic in the last sector.
        let tail = read_up_to(bytes, bytes.size().saturating_sub(SECTOR), SECTOR as usize)?;
        Ok(if tail.starts_with(b"conectix") { Self::Vhd } else { Self::Raw })
    }

    /// Tells a format by the first bytes of a file, which a fixed VHD does not show.
    pub fn by_head(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"QFI\xfb") {
            return Some(Self::Qcow2);
        }
        if head.starts_with(b"KDMV") || head.starts_with(b"COWD") || is_descriptor(head) {
            return Some(Self::Vmdk);
        }
        if head.starts_with(b"vhdxfile") {
            return Some(Self::Vhdx);
        }
        if head.starts_with(b"conectix") {
            return Some(Self::Vhd);
        }
        (head.le32(0x40) == Some(0xbeda_107f)).then_some(Self::Vdi)
    }

    /// The format that a file's extension stands for.
    pub fn by_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "raw" | "img" | "iso" | "bin" | "dd" => Self::Raw,
            "qcow2" | "qcow" => Self::Qcow2,
            "vmdk" => Self::Vmdk,
            "vhd" | "vpc" => Self::Vhd,
            "vhdx" => Self::Vhdx,
            "vdi" => Self::Vdi,
            _ => return None,
        })
    }

    /// Its name, as qemu-img's users know it, but `vhd` for what QEMU calls `vpc`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Vdi => "vdi",
        }
    }
}

/// A VMDK's descriptor alone: a text whose first line says so.
fn is_descriptor(head: &[u8]) -> bool {
    let magic = b"# disk descriptorfile";
    head.get(..magic.len()).is_some_and(|start| start.eq_ignore_ascii_case(magic))
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    /// By its name; also `vpc`, `qcow` and `img`.
    fn from_str(text: &str) -> Result<Self, String> {
        let all = Self::ALL.map(Self::name).join(", ");
        Self::by_extension(text).ok_or_else(|| format!("{text:?} is none of the formats {all}"))
    }
}
