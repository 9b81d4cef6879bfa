//! Early microcode: the segment that the kernel looks through before it unpacks anything
//! (`Documentation/arch/x86/microcode.rst`). Uncompressed, and first.
//!
//! ```text
//! kernel/x86/microcode/GenuineIntel.bin   the files of intel-ucode, one behind the other
//! kernel/x86/microcode/AuthenticAMD.bin   the files of amd-ucode
//! ```

use bootwright_formats::compression::Compression;
use bootwright_formats::{cpio, initrd};

use super::error::Error;
use super::tree::Tree;
use super::unpack;

/// Microcode to be put first.
pub enum Microcode<'a> {
    /// A ready archive, as distributions ship it; the name is for messages.
    Archive {
        /// Where it came from.
        name: String,
        /// The cpio archive.
        bytes: Vec<u8>,
    },
    /// A directory with `intel-ucode` or `amd-ucode` in it, as `/lib/firmware` has them.
    Directory {
        /// Where it came from.
        name: String,
        /// The directory.
        tree: &'a dyn Tree,
    },
}

/// What a vendor's microcode is called: in `/lib/firmware`, and in the segment.
const VENDORS: [(&str, &str); 2] = [
    ("intel-ucode", "kernel/x86/microcode/GenuineIntel.bin"),
    ("amd-ucode", "kernel/x86/microcode/AuthenticAMD.bin"),
];

impl Microcode<'_> {
    /// The segment's bytes; their number is a multiple of 4.
    pub(super) fn segment(&self, mtime: u32) -> Result<Vec<u8>, Error> {
        match self {
            Self::Archive { name, bytes } => checked(name, bytes),
            Self::Directory { name, tree } => {
                let mut blobs = Vec::new();
                for (directory, path) in VENDORS {
                    let blob = joined(*tree, directory)?;
                    if !blob.is_empty() {
                        blobs.push((path, blob));
                    }
                }
                if blobs.is_empty() {
                    return Err(bad(name, "it has neither intel-ucode nor amd-ucode in it"));
                }
                archive(&blobs, mtime)
            }
        }
    }
}

fn bad(name: &str, what: impl ToString) -> Error {
    Error::Microcode { name: name.to_owned(), what: what.to_string() }
}

fn archive(blobs: &[(&str, Vec<u8>)], mtime: u32) -> Result<Vec<u8>, Error> {
    let mut writer = cpio::Writer::new(Vec::new(), mtime);
    for directory in ["kernel", "kernel/x86", "kernel/x86/microcode"] {
        writer.node(directory, cpio::Node::Directory, cpio::Attributes::EXECUTABLE)?;
    }
    for (path, blob) in blobs {
        writer.file(path, cpio::Attributes::PLAIN, blob.len() as u64, blob.as_slice())?;
    }
    Ok(writer.finish()?)
}

/// The vendor's files, one behind the other.
fn joined(tree: &dyn Tree, directory: &str) -> Result<Vec<u8>, Error> {
    let read = |path: &str, source| Error::Read { path: path.to_owned(), source };
    let mut blob = Vec::new();
    for file in tree.list(directory).map_err(|source| read(directory, source))? {
        // AMD's directory holds signatures and a README beside the microcode.
        if file.ends_with(".asc") || file.contains("README") {
            continue;
        }
        let path = format!("{directory}/{file}");
        if let Some(bytes) = tree.read(&path).map_err(|source| read(&path, source))? {
            blob.extend(unpack::unpacked(&path, bytes)?);
        }
    }
    Ok(blob)
}

/// A ready archive, cut behind its last early segment's padding and padded to a multiple of 4.
fn checked(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut reader = initrd::Reader::new(bytes);
    let mut found = false;
    while let Some(entry) = reader.next_entry().map_err(|error| bad(name, error))? {
        if entry.compression() != Compression::None {
            return Err(bad(name, "it is compressed, and the kernel looks for microcode before it unpacks"));
        }
        found |= entry.path().starts_with(b"kernel/x86/microcode/");
    }
    if !found {
        return Err(bad(name, "no kernel/x86/microcode/… in the archive"));
    }
    let mut segment = bytes.to_vec();
    segment.resize(segment.len().next_multiple_of(4), 0);
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::Memory;
    use super::*;

    #[test]
    fn a_directory_becomes_an_archive_that_is_taken_as_a_ready_one() {
        let tree = Memory::default()
            .with("intel-ucode/06-01", "one.")
            .with("intel-ucode/06-02", "two.")
            .with("amd-ucode/microcode_amd.bin.asc", "signature");
        let segment = Microcode::Directory { name: "d".into(), tree: &tree }.segment(0).unwrap();
        let mut reader = initrd::Reader::new(segment.as_slice());
        let mut paths = Vec::new();
        while let Some(mut entry) = reader.next_entry().unwrap() {
            let mut content = String::new();
            std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
            paths.push((String::from_utf8_lossy(entry.path()).into_owned(), content));
        }
        assert_eq!(paths.len(), 4);
        assert_eq!(paths[3], ("kernel/x86/microcode/GenuineIntel.bin".to_owned(), "one.two.".to_owned()));
        let again = Microcode::Archive { name: "a".into(), bytes: segment.clone() }.segment(0).unwrap();
        assert_eq!(again, segment);
    }

    #[test]
    fn what_holds_no_microcode_is_refused() {
        let empty = Memory::default();
        assert!(Microcode::Directory { name: "d".into(), tree: &empty }.segment(0).is_err());
        for bytes in [&b""[..], b"ELF", b"\0\0\0\0"] {
            assert!(Microcode::Archive { name: "a".into(), bytes: bytes.to_vec() }.segment(0).is_err());
        }
    }
}
