//! Which compressions of an initrd a kernel was built with, and which file systems, told from its unpacked
//! payload.
//!
//! A kernel may carry its configuration (`CONFIG_IKCONFIG`), gzipped between `IKCFG_ST` and `IKCFG_ED`. Most
//! do not; but each unpacker of Linux (`lib/decompress_*.c`) brings messages of its own, which stand in
//! `vmlinux` when it was built in.

use std::io::{self, BufReader, Read};

use bootwright_formats::compression::Compression;

use crate::bytes::{printable, read};
use crate::source::{Source, Stream};

/// A message of each unpacker that no other part of Linux has.
const MESSAGES: [(&str, &[u8]); 5] = [
    ("gzip", b"Out of memory while allocating z_stream"),
    ("xz", b"XZ-compressed data is corrupt"),
    ("zstd", b"ZSTD-compressed data is corrupt"),
    ("lz4", b"chunk length is longer than allocated"),
    ("bzip2", b"Data integrity error when decompressing"),
];

/// The options of a configuration that decide, with what they stand for.
const UNPACKERS: [(&str, &str); 7] = [
    ("CONFIG_RD_GZIP", "gzip"),
    ("CONFIG_RD_XZ", "xz"),
    ("CONFIG_RD_ZSTD", "zstd"),
    ("CONFIG_RD_LZ4", "lz4"),
    ("CONFIG_RD_BZIP2", "bzip2"),
    ("CONFIG_RD_LZMA", "lzma"),
    ("CONFIG_RD_LZO", "lzo"),
];
const DRIVERS: [(&str, &str); 6] = [
    ("CONFIG_EXT4_FS", "ext4"),
    ("CONFIG_XFS_FS", "xfs"),
    ("CONFIG_BTRFS_FS", "btrfs"),
    ("CONFIG_EROFS_FS", "erofs"),
    ("CONFIG_SQUASHFS", "squashfs"),
    ("CONFIG_OVERLAY_FS", "overlay"),
];

const START: &[u8] = b"IKCFG_ST";
const END: &[u8] = b"IKCFG_ED";

/// The start of the banner of each kernel: `Linux version 6.1.0-13-arm64 (debian-kernel@…`.
const BANNER: &[u8] = b"Linux version ";

/// The longest release: that of `uname -r`.
const MAX_RELEASE: usize = 64;

/// The longest of the texts that are looked for, the banner with its release.
const LONGEST: usize = 128;

/// The largest `vmlinux` that is unpacked: those of distributions have 50 to 100 MiB.
const MAX_VMLINUX: u64 = 512 << 20;

/// The largest configuration, packed and unpacked: real ones have 40 and 250 KiB.
const MAX_PACKED: usize = 1 << 20;
const MAX_CONFIG: u64 = 4 << 20;

/// What a kernel was built with, as far as it is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Built {
    /// Whether its own configuration was found.
    pub(super) configuration: bool,
    /// Compressions of an initrd.
    pub(super) unpacks: Vec<String>,
    /// File systems, when the configuration tells.
    pub(super) drivers: Vec<String>,
    /// What its banner says.
    pub(super) release: Option<String>,
}

/// Unpacks the payload; `None` when it is of a kind that cannot be unpacked here.
pub(super) fn of(payload: &Source) -> io::Result<Option<Built>> {
    let magic = read(payload, 0, 8)?;
    let compression = Compression::detect(&magic.0);
    if compression == Compression::None || !compression.can_decode() {
        return Ok(None);
    }
    let decoder = compression.decoder(Stream::whole(payload.clone()))?;
    search(&mut BufReader::new(decoder.take(MAX_VMLINUX))).map(Some)
}

/// Looks into a kernel that is not packed.
pub(super) fn of_plain(kernel: &Source) -> io::Result<Built> {
    search(&mut Stream::whole(kernel.clone()).take(MAX_VMLINUX))
}

fn search(vmlinux: &mut impl Read) -> io::Result<Built> {
    let mut found = [false; MESSAGES.len()];
    let mut configuration: Option<Vec<u8>> = None;
    let mut release = None;
    let mut window = Vec::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = vmlinux.read(&mut piece)?;
        if count == 0 {
            break;
        }
        let new = piece.get(..count).unwrap_or_default();
        window.extend_from_slice(new);
        for ((_, message), found) in MESSAGES.iter().zip(&mut found).filter(|(_, found)| !**found) {
            *found = place(&window, message).is_some();
        }
        release = release.or_else(|| banner(&window));
        match &mut configuration {
            Some(packed) if packed.len() < MAX_PACKED => packed.extend_from_slice(new),
            Some(_) => {}
            None => {
                let start = place(&window, START).and_then(|at| window.get(at + START.len()..));
                configuration = start.map(<[u8]>::to_vec);
            }
        }
        window.drain(..window.len().saturating_sub(LONGEST));
    }
    if let Some(built) = configuration.and_then(|packed| configured(&packed)) {
        return Ok(Built { release, ..built });
    }
    let names = MESSAGES.iter().zip(found).filter(|(_, found)| *found);
    Ok(Built {
        unpacks: names.map(|((name, _), _)| (*name).to_owned()).collect(),
        release,
        ..Built::default()
    })
}

/// The release behind the banner's start; `None` while its end is not there, or it is that of a format string.
fn banner(window: &[u8]) -> Option<String> {
    let rest = window.get(place(window, BANNER)? + BANNER.len()..)?;
    let length = rest.iter().take(MAX_RELEASE + 1).position(|byte| *byte == b' ')?;
    let release = rest.get(..length).filter(|release| release.first().is_some_and(u8::is_ascii_digit))?;
    Some(printable(release))
}

/// What the configuration says; `None` when it is none.
fn configured(packed: &[u8]) -> Option<Built> {
    let packed = packed.get(..place(packed, END)?)?;
    let mut text = String::new();
    Compression::Gzip.decoder(packed).ok()?.take(MAX_CONFIG).read_to_string(&mut text).ok()?;
    let chosen = |options: &[(&str, &str)]| {
        let is_set = |option: &str| text.lines().any(|line| line.strip_prefix(option) == Some("=y"));
        options.iter().filter(|(option, _)| is_set(option)).map(|(_, name)| (*name).to_owned()).collect()
    };
    Some(Built { configuration: true, unpacks: chosen(&UNPACKERS), drivers: chosen(&DRIVERS), release: None })
}

/// Where `wanted` stands in `bytes`: looked for by its first byte, which most places have not.
fn place(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = from + rest.iter().position(|byte| byte == first)?;
        if bytes.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_message_is_found_wherever_a_piece_ends() {
        let mut vmlinux = vec![b'Z'; (1 << 20) - 10];
        vmlinux.extend_from_slice(b"ZSTD-compressed data is corrupt\0");
        assert_eq!(search(&mut vmlinux.as_slice()).unwrap().unpacks, ["zstd"]);
        assert_eq!(search(&mut [b'Z'; 100].as_slice()).unwrap(), Built::default());
        // The banner, too; the one before it has no release.
        let mut vmlinux = vec![b'Z'; (1 << 20) - 20];
        vmlinux.extend_from_slice(b"Linux version 6.12.1-arm64 (me)\0");
        assert_eq!(search(&mut vmlinux.as_slice()).unwrap().release.as_deref(), Some("6.12.1-arm64"));
        assert_eq!(search(&mut b"Linux version %s (%s)\0".as_slice()).unwrap().release, None);
    }

    #[test]
    fn the_configuration_decides_when_the_kernel_carries_it() {
        let mut packed = Compression::Gzip.encoder(Vec::new(), 6).unwrap();
        packed
            .write_all(b"CONFIG_RD_XZ=y\n# CONFIG_RD_GZIP is not set\nCONFIG_EXT4_FS=m\nCONFIG_XFS_FS=y\n")
            .unwrap();
        let mut vmlinux = vec![0; (1 << 20) - 4];
        vmlinux.extend([START, &packed.finish().unwrap(), END, b"ZSTD-compressed data is corrupt"].concat());
        let built = search(&mut vmlinux.as_slice()).unwrap();
        assert_eq!(
            built,
            Built {
                configuration: true,
                unpacks: vec!["xz".into()],
                drivers: vec!["xfs".into()],
                release: None
            }
        );
    }
}
