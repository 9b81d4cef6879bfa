//! The compressed streams that a kernel unpacks when it meets them in an initrd.
//!
//! They are told apart by their first bytes, as `lib/decompress.c` of Linux does. Which of them a
//! kernel was built with, its `CONFIG_RD_*` says.
//!
//! | stream | magic | read | written |
//! |---|---|---|---|
//! | gzip (RFC 1952) | `1f 8b` or `1f 9e` | yes | yes, without a time |
//! | bzip2 | `42 5a` | no | no |
//! | lzma alone | `5d 00` | no | no |
//! | xz 1.0.4 | `fd 37` | yes | yes, with CRC32, the only check the kernel knows |
//! | lzop | `89 4c` | no | no |
//! | LZ4, [legacy frame](lz4) | `02 21` | yes | yes |
//! | Zstandard (RFC 8878) | `28 b5` | yes | yes |
//!
//! The kernel unpacks *one* gzip member, xz stream or Zstandard frame at a time and wants a cpio member
//! to end where it ends; the [`Decoder`] stops there too.

#[cfg(feature = "compression")]
mod decoder;
#[cfg(feature = "compression")]
mod encoder;
#[cfg(feature = "compression")]
pub mod lz4;
#[cfg(feature = "compression")]
mod sparse;
#[cfg(feature = "compression")]
mod whole;

#[cfg(feature = "compression")]
pub use decoder::Decoder;
#[cfg(feature = "compression")]
pub use encoder::Encoder;
#[cfg(feature = "compression")]
pub use sparse::{Bounds, Unpacked, write_sparse};
#[cfg(feature = "compression")]
pub use whole::{Peeked, Whole};

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not, or in no way that the kernel knows.
    None,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// The older `.lzma`.
    Lzma,
    /// xz.
    Xz,
    /// lzop.
    Lzo,
    /// LZ4 in its legacy frame.
    Lz4Legacy,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// Tells the compression by the first two bytes of a stream.
    pub fn detect(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b | 0x9e, ..] => Self::Gzip,
            [0x42, 0x5a, ..] => Self::Bzip2,
            [0x5d, 0x00, ..] => Self::Lzma,
            [0xfd, 0x37, ..] => Self::Xz,
            [0x89, 0x4c, ..] => Self::Lzo,
            [0x02, 0x21, ..] => Self::Lz4Legacy,
            [0x28, 0xb5, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// Its name, as the kernel's messages and the tools spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Lzma => "lzma",
            Self::Xz => "xz",
            Self::Lzo => "lzo",
            Self::Lz4Legacy => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The option that a kernel must have been built with to unpack it: `CONFIG_RD_ZSTD`; `None` when
    /// nothing is to be unpacked.
    pub fn kernel_option(self) -> Option<&'static str> {
        Some(match self {
            Self::None => return None,
            Self::Gzip => "CONFIG_RD_GZIP",
            Self::Bzip2 => "CONFIG_RD_BZIP2",
            Self::Lzma => "CONFIG_RD_LZMA",
            Self::Xz => "CONFIG_RD_XZ",
            Self::Lzo => "CONFIG_RD_LZO",
            Self::Lz4Legacy => "CONFIG_RD_LZ4",
            Self::Zstd => "CONFIG_RD_ZSTD",
        })
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Compression;

    #[test]
    fn every_magic_of_the_kernel_is_known_and_half_of_one_is_none() {
        let magics: [(&[u8], &str); 9] = [
            (b"\x1f\x8b", "gzip"),
            (b"\x1f\x9e", "gzip"),
            (b"BZ", "bzip2"),
            (b"\x5d\0", "lzma"),
            (b"\xfd7", "xz"),
            (b"\x89\x4c", "lzo"),
            (b"\x02\x21", "lz4"),
            (b"\x28\xb5", "zstd"),
            (b"07", "none"),
        ];
        for (magic, name) in magics {
            assert_eq!(Compression::detect(magic).name(), name);
            assert_eq!(Compression::detect(&magic[..1]), Compression::None);
        }
    }
}
