//! Where a fetched file goes.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Kind};

/// Extensions of compressed files, taken off the name of what is unpacked.
const COMPRESSED: [&str; 5] = [".gz", ".xz", ".zst", ".zstd", ".lz4"];

/// The path for the file that a server calls `name`: `output`, or the name in it when it is a directory.
/// The name comes from outside: it must stay where it is put.
pub(super) fn path(output: Option<&Path>, name: &str, unpacked: bool) -> Result<PathBuf, Failure> {
    if let Some(output) = output.filter(|output| !output.is_dir()) {
        return Ok(output.to_owned());
    }
    let stem = COMPRESSED.iter().find_map(|extension| name.strip_suffix(extension)).filter(|_| unpacked);
    let name = stem.unwrap_or(name);
    let plain = !name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.');
    if !plain {
        let text = format!("{name:?} is no name for a file here: name one with -o");
        return Err(Failure::message(Kind::Usage, text));
    }
    Ok(output.unwrap_or(Path::new("")).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_server_stays_in_its_directory() {
        let place = tempfile::tempdir().unwrap();
        let inside = |name| path(Some(place.path()), name, false);
        assert_eq!(inside("a.iso").unwrap(), place.path().join("a.iso"));
        for name in ["..", "", ".profile", "a/b", "a\0"] {
            assert!(inside(name).is_err(), "{name:?}");
        }
        assert_eq!(path(None, "disk.raw.zst", true).unwrap(), Path::new("disk.raw"));
        assert_eq!(path(None, "disk.raw.zst", false).unwrap(), Path::new("disk.raw.zst"));
        assert_eq!(path(Some(Path::new("/x/y")), "a", false).unwrap(), Path::new("/x/y"));
    }
}
