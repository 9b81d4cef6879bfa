//! Debian binary packages, deb(5): an ar archive whose member `data.tar` holds the files.
//!
//! ```text
//! "!<arch>\n" ‖ members: name[16] mtime[12] uid[6] gid[6] mode[8] size[10] "`\n" ‖ data, padded to 2
//! debian-binary ‖ control.tar[.gz|.xz|.zst] ‖ data.tar[.gz|.xz|.zst]
//! ```

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::archive::{ArchiveError, decompress_stream};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;
/// Members before `data.tar`: deb(5) has two and allows a few with an underscore.
const MAX_MEMBERS: usize = 16;

/// Why a package cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It is no package.
    #[error("{path} is no Debian package: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// It cannot be read.
    #[error("reading {path} failed")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its files cannot be unpacked.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Unpacks the package's `data.tar` to the plain tar `to`.
pub fn data_tar(path: &Path, to: &Path) -> Result<(), DebError> {
    let read_error = |source| DebError::Read { path: path.to_owned(), source };
    let malformed = |problem| DebError::Malformed { path: path.to_owned(), problem };
    let mut file = File::open(path).map_err(read_error)?;
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(read_error)?;
    if &magic != MAGIC {
        return Err(malformed("it does not begin as an ar archive"));
    }
    for _ in 0..MAX_MEMBERS {
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(read_error)?;
        let (name, size) = member(&header).ok_or_else(|| malformed("a member's header is damaged"))?;
        if name.starts_with(b"data.tar") {
            decompress_stream(BufReader::new(file.take(size)), path, to)?;
            return Ok(());
        }
        let step = i64::try_from(size + size % 2).map_err(|_| malformed("a member is too large"))?;
        file.seek(SeekFrom::Current(step)).map_err(read_error)?;
    }
    Err(malformed("it has no data.tar"))
}

/// Name and size of a member.
fn member(header: &[u8; HEADER]) -> Option<(&[u8], u64)> {
    if header.get(58..60)? != b"`\n" {
        return None;
    }
    let size = std::str::from_utf8(header.get(48..58)?).ok()?.trim_end().parse().ok()?;
    Some((header.get(..16)?.trim_ascii_end(), size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_dpkg_deb_packs_is_unpacked() {
        let directory = tempfile::tempdir().unwrap();
        let package = directory.path().join("p");
        std::fs::create_dir_all(package.join("DEBIAN")).unwrap();
        let control =
            "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: p\n";
        std::fs::write(package.join("DEBIAN/control"), control).unwrap();
        std::fs::write(package.join("hello"), "hello").unwrap();
        for compression in ["gzip", "xz", "zstd", "none"] {
            let deb = directory.path().join(format!("{compression}.deb"));
            let status = std::process::Command::new("dpkg-deb")
                .args(["--root-owner-group", "-Z", compression, "-b"])
                .args([&package, &deb])
                .stdout(std::process::Stdio::null())
                .status()
                .expect("dpkg-deb of the package dpkg");
            assert!(status.success());
            let tar = directory.path().join("data.tar");
            data_tar(&deb, &tar).unwrap();
            let backing = crate::tree::Backing::new(File::open(&tar).unwrap()).unwrap();
            let tree = crate::tree::Tree::from_tar(&backing).unwrap();
            assert_eq!(tree.read(&"/hello".parse().unwrap()).unwrap().unwrap(), b"hello", "{compression}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), magic: bool) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("x.deb");
            let bytes = if magic { [&MAGIC[..], &bytes].concat() } else { bytes };
            std::fs::write(&path, bytes).unwrap();
            let _ = data_tar(&path, &directory.path().join("out"));
        }
    }
}
