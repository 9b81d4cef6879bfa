//! What an image needs of its kernel beyond what every initrd of ours needs
//! ([`initrd`](crate::initrd) checks that).

use bootwright_image::{RootFormat, manifest::Mode};

use crate::initrd::Config;
use crate::recipe::Compression;

/// An option that a kernel must have been built with, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// `CONFIG_…`.
    pub option: &'static str,
    /// For what.
    pub why: &'static str,
}

/// A kernel that cannot boot the image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the kernel {version} cannot boot this image: {}", tell(missing))]
pub struct UnfitKernel {
    /// The kernel.
    pub version: String,
    /// What it was built without.
    pub missing: Vec<Need>,
}

fn tell(missing: &[Need]) -> String {
    let one = |need: &Need| format!("it was built without {} ({})", need.option, need.why);
    missing.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The compressor to use: the one asked for, or the best that the kernel reads.
pub fn compression(config: &Config, format: RootFormat, asked: Option<Compression>) -> Compression {
    let order: &[Compression] = match format {
        RootFormat::Erofs => &[Compression::Zstd, Compression::Lz4],
        _ => &[Compression::Zstd, Compression::Xz, Compression::Gzip, Compression::Lz4],
    };
    let readable = |compression: &&Compression| config.has(option(format, **compression));
    asked.unwrap_or_else(|| order.iter().find(readable).copied().unwrap_or(Compression::Zstd))
}

/// Holds the kernel against what an image of this kind needs.
pub fn check(
    config: &Config,
    version: &str,
    (format, compression): (RootFormat, Compression),
    mode: Mode,
) -> Result<(), UnfitKernel> {
    let needs = needs(format, compression, mode);
    let missing: Vec<_> = needs.into_iter().filter(|need| !config.has(need.option)).collect();
    if missing.is_empty() { Ok(()) } else { Err(UnfitKernel { version: version.to_owned(), missing }) }
}

fn needs(format: RootFormat, compression: Compression, mode: Mode) -> Vec<Need> {
    let file_system = match format {
        RootFormat::Squashfs => "CONFIG_SQUASHFS",
        RootFormat::Erofs => "CONFIG_EROFS_FS",
        RootFormat::Ext4 => "CONFIG_EXT4_FS",
        RootFormat::Xfs => "CONFIG_XFS_FS",
        RootFormat::Btrfs => "CONFIG_BTRFS_FS",
        RootFormat::Opaque => "CONFIG_BLK_DEV_LOOP",
    };
    let need = |option, why| Need { option, why };
    let mut needs = vec![
        need("CONFIG_OVERLAY_FS", "a root that can be written to"),
        need("CONFIG_BLK_DEV_LOOP", "mounting the root from memory"),
        need(file_system, "the root's file system"),
        need(option(format, compression), "the root's compression"),
        need("CONFIG_EFI_STUB", "starting as a UKI"),
    ];
    if mode != Mode::Embed {
        needs.push(need("CONFIG_INET", "the network"));
        needs.push(need("CONFIG_PACKET", "DHCP"));
    }
    if mode == Mode::Stream {
        needs.push(need("CONFIG_BLK_DEV_NBD", "a root that is streamed"));
        needs.push(need("CONFIG_BLK_DEV_DM", "the local copy of a streamed root"));
    }
    if mode == Mode::Disk {
        needs.push(need("CONFIG_DM_VERITY", "a root that is kept on a disk"));
    }
    needs
}

/// The option by which the kernel reads that compression within that file system.
fn option(format: RootFormat, compression: Compression) -> &'static str {
    match (format, compression) {
        (RootFormat::Squashfs, Compression::Zstd) => "CONFIG_SQUASHFS_ZSTD",
        (RootFormat::Squashfs, Compression::Xz) => "CONFIG_SQUASHFS_XZ",
        (RootFormat::Squashfs, Compression::Lz4) => "CONFIG_SQUASHFS_LZ4",
        (RootFormat::Squashfs, Compression::Gzip) => "CONFIG_SQUASHFS_ZLIB",
        (RootFormat::Erofs, Compression::Zstd) => "CONFIG_EROFS_FS_ZIP_ZSTD",
        (RootFormat::Erofs, Compression::Xz) => "CONFIG_EROFS_FS_ZIP_LZMA",
        (RootFormat::Erofs, Compression::Gzip) => "CONFIG_EROFS_FS_ZIP_DEFLATE",
        // LZ4 comes with compression as such.
        (RootFormat::Erofs, Compression::Lz4) => "CONFIG_EROFS_FS_ZIP",
        (RootFormat::Ext4, _) => "CONFIG_EXT4_FS",
        (RootFormat::Xfs, _) => "CONFIG_XFS_FS",
        (RootFormat::Btrfs, _) => "CONFIG_BTRFS_FS",
        (RootFormat::Opaque, _) => "CONFIG_BLK_DEV_LOOP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "CONFIG_OVERLAY_FS=m\nCONFIG_BLK_DEV_LOOP=m\nCONFIG_SQUASHFS=m\nCONFIG_SQUASHFS_XZ=y\n\
        CONFIG_EFI_STUB=y\n# CONFIG_SQUASHFS_ZSTD is not set\nCONFIG_INET=y\nCONFIG_PACKET=y\n";

    #[test]
    fn the_best_compression_is_the_first_that_the_kernel_reads() {
        let config = Config::parse("config", GOOD);
        assert_eq!(compression(&config, RootFormat::Squashfs, None), Compression::Xz);
        assert!(check(&config, "6.1", (RootFormat::Squashfs, Compression::Xz), Mode::Ram).is_ok());
    }

    #[test]
    fn what_is_missing_is_named_with_what_it_is_for() {
        let text = GOOD.replace("CONFIG_OVERLAY_FS=m", "# CONFIG_OVERLAY_FS is not set");
        let config = Config::parse("config", &text);
        let error = check(&config, "6.1", (RootFormat::Squashfs, Compression::Zstd), Mode::Ram).unwrap_err();
        let expected = "the kernel 6.1 cannot boot this image: it was built without CONFIG_OVERLAY_FS (a root that \
            can be written to); it was built without CONFIG_SQUASHFS_ZSTD (the root's compression)";
        assert_eq!(error.to_string(), expected);
    }
}
