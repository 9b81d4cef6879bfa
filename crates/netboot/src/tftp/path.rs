//! From the bytes of a request to a path that stays inside the server's tree.

/// A longer path is refused: no file of ours has one.
pub const MAX_PATH: usize = 255;

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not text, or text with control characters.
    #[error("the file name is not plain text")]
    Text,
    /// More than [`MAX_PATH`] bytes.
    #[error("the file name has {0} bytes, more than {MAX_PATH}")]
    Long(usize),
    /// `..` in it.
    #[error("the file name {0:?} leads out of the served files")]
    Outside(String),
    /// No file, only slashes.
    #[error("the file name is empty")]
    Empty,
}

/// The path as components joined by `/`, without a slash in front. Firmware asks for `/x`, `//x`, `./x`
/// and `\x` and means `x`; some BIOS ROMs put a byte 0xff behind the name.
pub fn clean(raw: &[u8]) -> Result<String, PathError> {
    let raw = raw.strip_suffix(&[0xff]).unwrap_or(raw);
    if raw.len() > MAX_PATH {
        return Err(PathError::Long(raw.len()));
    }
    let text = std::str::from_utf8(raw).map_err(|_| PathError::Text)?;
    if text.chars().any(char::is_control) {
        return Err(PathError::Text);
    }
    let parts: Vec<&str> = text.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    match parts.as_slice() {
        [] => Err(PathError::Empty),
        parts if parts.contains(&"..") => Err(PathError::Outside(text.to_owned())),
        parts => Ok(parts.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_spellings_of_firmware_mean_one_file() {
        for raw in
            [&b"w/image.efi"[..], b"/w/image.efi", b"//w//image.efi", b"\\w\\image.efi", b"./w/image.efi\xff"]
        {
            assert_eq!(clean(raw).as_deref(), Ok("w/image.efi"));
        }
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for raw in [&b"../etc/passwd"[..], b"a/../../b", b"..\\b", b"/.."] {
            assert!(matches!(clean(raw), Err(PathError::Outside(_))));
        }
        assert_eq!(clean(b"a\nb"), Err(PathError::Text));
        assert_eq!(clean(b"\xc3\x28"), Err(PathError::Text));
        assert_eq!(clean(b"///"), Err(PathError::Empty));
        assert_eq!(clean(&[b'a'; 256]), Err(PathError::Long(256)));
    }

    proptest! {
        #[test]
        fn no_clean_path_can_leave(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(path) = clean(&raw) {
                prop_assert!(!path.starts_with('/') && !path.contains('\\') && !path.contains('\0'));
                prop_assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
        }
    }
}
