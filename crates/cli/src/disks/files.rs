//! The other files that an image names: looked for beside it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_formats::FileBytes;
use bootwright_formats::disk::{Files, Source};

/// Opens files of this machine. A relative name starts from the directory of the image that has it; a path
/// of Windows that is not there is looked for by its last part.
pub struct Beside;

impl Files for Beside {
    fn open(&self, from: &str, name: &str) -> io::Result<Source> {
        let directory = Path::new(from).parent().unwrap_or(Path::new("/"));
        let name = name.strip_prefix("file://").or_else(|| name.strip_prefix("file:")).unwrap_or(name);
        if let Some((protocol, _)) = name.split_once(':').filter(|(protocol, _)| protocol.len() > 1) {
            // A letter alone is a drive of Windows.
            if !directory.join(name).exists() {
                let what = format!("{protocol}: names are not opened, only files");
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
        }
        let mut tried = open(&directory.join(name));
        if tried.is_err() && name.contains('\\') {
            let unix = name.replace('\\', "/");
            let last = unix.rsplit('/').next().unwrap_or_default();
            tried = open(&directory.join(&unix)).or_else(|_| open(&directory.join(last))).or(tried);
        }
        tried
    }
}

/// Opens a file or block device; its name is its canonical path.
pub fn open(path: &Path) -> io::Result<Source> {
    let path: PathBuf = path.canonicalize()?;
    let kind = std::fs::metadata(&path)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a block device"));
    }
    let bytes = Arc::new(FileBytes::new(File::open(&path)?)?);
    Ok(Source { name: path.to_string_lossy().into_owned(), bytes })
}
