//! Client system architectures: option 93 (RFC 4578, RFC 5970, IANA's list "Processor Architecture
//! Types"), as data.

use std::fmt;
use std::str::FromStr;

/// A code of option 93, 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Architecture(pub u16);

/// The instruction set of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cpu {
    /// 32-bit x86. A BIOS says this whatever the processor can do.
    X86,
    /// 64-bit x86.
    X86_64,
    /// 32-bit ARM.
    Arm,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit RISC-V.
    Riscv32,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit LoongArch.
    Loongarch64,
    /// EFI byte code.
    Ebc,
}

/// The kind of firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Firmware {
    /// PC BIOS: runs a network bootstrap program of 16-bit code.
    Bios,
    /// UEFI: runs PE files.
    Uefi,
    /// U-Boot, which runs PE files like UEFI does.
    Uboot,
    /// The boot ROM of a Raspberry Pi.
    RaspberryPi,
}

/// One line of the table of architectures.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// Code of option 93.
    pub code: u16,
    /// For people: `UEFI x64`.
    pub name: &'static str,
    /// What runs there.
    pub firmware: Firmware,
    /// What it runs on.
    pub cpu: Cpu,
}

const fn known(code: u16, name: &'static str, firmware: Firmware, cpu: Cpu) -> Known {
    Known { code, name, firmware, cpu }
}

/// Every architecture that an image can be for. Code 9 is EFI byte code by RFC 4578 and x64 by its
/// errata; firmware that sends it means x64.
pub const TABLE: &[Known] = &[
    known(0x00, "BIOS", Firmware::Bios, Cpu::X86),
    known(0x06, "UEFI IA32", Firmware::Uefi, Cpu::X86),
    known(0x07, "UEFI x64", Firmware::Uefi, Cpu::X86_64),
    known(0x09, "UEFI x64", Firmware::Uefi, Cpu::X86_64),
    known(0x0a, "UEFI arm", Firmware::Uefi, Cpu::Arm),
    known(0x0b, "UEFI arm64", Firmware::Uefi, Cpu::Aarch64),
    known(0x0f, "UEFI IA32", Firmware::Uefi, Cpu::X86),
    known(0x10, "UEFI x64", Firmware::Uefi, Cpu::X86_64),
    known(0x11, "UEFI EBC", Firmware::Uefi, Cpu::Ebc),
    known(0x12, "UEFI arm", Firmware::Uefi, Cpu::Arm),
    known(0x13, "UEFI arm64", Firmware::Uefi, Cpu::Aarch64),
    known(0x14, "BIOS", Firmware::Bios, Cpu::X86),
    known(0x15, "U-Boot arm", Firmware::Uboot, Cpu::Arm),
    known(0x16, "U-Boot arm64", Firmware::Uboot, Cpu::Aarch64),
    known(0x17, "U-Boot arm", Firmware::Uboot, Cpu::Arm),
    known(0x18, "U-Boot arm64", Firmware::Uboot, Cpu::Aarch64),
    known(0x19, "UEFI riscv32", Firmware::Uefi, Cpu::Riscv32),
    known(0x1a, "UEFI riscv32", Firmware::Uefi, Cpu::Riscv32),
    known(0x1b, "UEFI riscv64", Firmware::Uefi, Cpu::Riscv64),
    known(0x1c, "UEFI riscv64", Firmware::Uefi, Cpu::Riscv64),
    known(0x27, "UEFI loongarch64", Firmware::Uefi, Cpu::Loongarch64),
    known(0x28, "UEFI loongarch64", Firmware::Uefi, Cpu::Loongarch64),
    known(0x29, "Raspberry Pi", Firmware::RaspberryPi, Cpu::Aarch64),
];

impl Architecture {
    /// BIOS by PXE.
    pub const BIOS: Self = Self(0x00);
    /// UEFI x64 by PXE.
    pub const UEFI_X64: Self = Self(0x07);
    /// UEFI x64 by HTTP Boot.
    pub const UEFI_X64_HTTP: Self = Self(0x10);
    /// What the boot ROM of a Raspberry Pi ought to say.
    pub const RASPBERRY_PI: Self = Self(0x29);

    /// Its line in [`TABLE`].
    pub fn known(self) -> Option<&'static Known> {
        TABLE.iter().find(|known| known.code == self.0)
    }

    /// Reads option 93: a list of 16-bit codes, the preferred one first. An odd last byte is dropped.
    pub fn list(option: &[u8]) -> Vec<Self> {
        option
            .chunks_exact(2)
            .map(|pair| Self(pair.iter().fold(0, |code, byte| code << 8 | u16::from(*byte))))
            .collect()
    }

    /// Reads `PXEClient:Arch:00007:UNDI:003001` (option 60, PXE 2.1 section 2.2.3), the decimal digits
    /// after `Arch:`.
    pub fn from_vendor_class(class: &[u8]) -> Option<Self> {
        let at = class.windows(5).position(|window| window == b"Arch:")?;
        let digits = class.get(at + 5..at + 10)?;
        std::str::from_utf8(digits).ok()?.parse().ok().map(Self)
    }
}

impl Cpu {
    /// As `uname -m` and `image.json` write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86 => "i386",
            Self::X86_64 => "x86_64",
            Self::Arm => "arm",
            Self::Aarch64 => "aarch64",
            Self::Riscv32 => "riscv32",
            Self::Riscv64 => "riscv64",
            Self::Loongarch64 => "loongarch64",
            Self::Ebc => "ebc",
        }
    }

    /// Whether firmware that says `self` can start an image for `image`. A BIOS cannot tell its
    /// processor, so it is believed to be able.
    pub fn runs(self, image: Self, firmware: Firmware) -> bool {
        self == image || (firmware == Firmware::Bios && image == Self::X86_64)
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Cpu {
    type Err = UnknownCpu;

    /// Takes the names of `uname -m`, Debian and UEFI.
    fn from_str(text: &str) -> Result<Self, UnknownCpu> {
        Ok(match text {
            "i386" | "i486" | "i586" | "i686" | "ia32" | "x86" => Self::X86,
            "x86_64" | "amd64" | "x64" => Self::X86_64,
            "arm" | "armhf" | "armv7l" => Self::Arm,
            "aarch64" | "arm64" => Self::Aarch64,
            "riscv32" => Self::Riscv32,
            "riscv64" => Self::Riscv64,
            "loongarch64" => Self::Loongarch64,
            other => return Err(UnknownCpu(other.to_owned())),
        })
    }
}

/// A name of no instruction set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture {0:?}: i386, x86_64, arm, aarch64, riscv32, riscv64 or loongarch64")]
pub struct UnknownCpu(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_option_93_keeps_its_order() {
        assert_eq!(
            Architecture::list(&[0, 7, 0, 0x10, 9]),
            [Architecture::UEFI_X64, Architecture::UEFI_X64_HTTP]
        );
        assert!(Architecture::list(&[]).is_empty());
    }

    #[test]
    fn the_architecture_is_read_out_of_the_vendor_class() {
        let read = Architecture::from_vendor_class;
        assert_eq!(read(b"PXEClient:Arch:00007:UNDI:003001"), Some(Architecture::UEFI_X64));
        assert_eq!(read(b"PXEClient:Arch:00011"), Some(Architecture(0x0b)));
        assert_eq!(read(b"PXEClient"), None);
        assert_eq!(read(b"PXEClient:Arch:7"), None);
        assert_eq!(read(b"PXEClient:Arch:99999"), None);
    }

    #[test]
    fn codes_are_listed_once_and_both_of_x64_pxe_are_x64() {
        for (index, known) in TABLE.iter().enumerate() {
            assert_eq!(TABLE.iter().position(|other| other.code == known.code), Some(index));
        }
        assert_eq!(Architecture(7).known().map(|known| known.cpu), Some(Cpu::X86_64));
        assert_eq!(Architecture(9).known().map(|known| known.cpu), Some(Cpu::X86_64));
    }

    #[test]
    fn a_bios_is_believed_to_run_64_bit_images_and_uefi_ia32_is_not() {
        assert!(Cpu::X86.runs(Cpu::X86_64, Firmware::Bios));
        assert!(!Cpu::X86.runs(Cpu::X86_64, Firmware::Uefi));
        assert!(!Cpu::Aarch64.runs(Cpu::X86_64, Firmware::Uefi));
    }
}
