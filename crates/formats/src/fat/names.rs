//! Names: the short one that every entry has, and the long one in front of it.

use std::collections::BTreeSet;

/// What may stand in a short name beside letters and digits.
const SHORT: &[u8] = b"$%'-_@~`!(){}^#&";

/// What may not stand in any name.
const FORBIDDEN: &str = "\"*/:<>?\\|";

/// UTF-16 units of a long name.
const MAX_NAME: usize = 255;

/// UTF-16 units in one entry of a long name.
pub(super) const PART: usize = 13;

/// A short name as it lies on the disk: eight bytes and three, filled with spaces.
pub(super) type Short = [u8; 11];

/// Whether `name` can be a long name.
pub(super) fn is_lawful(name: &str) -> bool {
    let bad = |c: char| c.is_control() || FORBIDDEN.contains(c);
    !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(bad)
        && !name.ends_with([' ', '.'])
        && name.encode_utf16().count() <= MAX_NAME
}

/// The short name for `name`, other than those `taken`, and whether it says all of it.
pub(super) fn shorten(name: &str, taken: &mut BTreeSet<Short>) -> Option<(Short, bool)> {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension),
        _ => (name, ""),
    };
    if let Some(short) = exact(stem, extension)
        && taken.insert(short)
    {
        return Some((short, true));
    }
    let keep = |text: &str| -> Vec<u8> {
        let bytes =
            text.bytes().filter(|byte| *byte != b' ' && *byte != b'.').map(|byte| byte.to_ascii_uppercase());
        bytes.map(|byte| if is_short(byte) { byte } else { b'_' }).collect()
    };
    let (stem, extension) = (keep(stem), keep(extension));
    (1..1_000_000).find_map(|number| {
        let tail = format!("~{number}");
        let stem: Vec<u8> = stem.iter().copied().take(8 - tail.len()).chain(tail.bytes()).collect();
        let short = pad(&stem, &extension);
        taken.insert(short).then_some((short, false))
    })
}

/// A name that is a short one as it stands.
fn exact(stem: &str, extension: &str) -> Option<Short> {
    let fits = |text: &str, most| text.len() <= most && text.bytes().all(is_short);
    let whole = fits(stem, 8) && fits(extension, 3) && !stem.is_empty();
    whole.then(|| pad(stem.as_bytes(), extension.as_bytes()))
}

fn is_short(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || SHORT.contains(&byte)
}

/// A label as a short name: eleven characters, no dot.
pub(super) fn label(text: &str) -> Option<Short> {
    let text = text.to_ascii_uppercase();
    let lawful = text.bytes().all(|byte| is_short(byte) || byte == b' ');
    (lawful && !text.is_empty() && text.len() <= 11).then(|| {
        let (stem, extension) = text.as_bytes().split_at(text.len().min(8));
        pad(stem, extension)
    })
}

fn pad(stem: &[u8], extension: &[u8]) -> Short {
    let mut short = [b' '; 11];
    short.iter_mut().take(8).zip(stem).for_each(|(to, from)| *to = *from);
    short.iter_mut().skip(8).zip(extension).for_each(|(to, from)| *to = *from);
    short
}

/// The text of a short name; `lower` are the bits by which Windows NT says that stem or extension are in
/// lower case.
pub(super) fn read_short(short: &Short, lower: u8) -> String {
    let (stem, extension) = short.split_at(8);
    let text = |bytes: &[u8], lower: bool| -> String {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let text = text.trim_end_matches(' ');
        if lower { text.to_ascii_lowercase() } else { text.to_owned() }
    };
    let (mut stem, extension) = (text(stem, lower & 0x08 != 0), text(extension, lower & 0x10 != 0));
    // A first byte e5 would mean a deleted entry, so 05 stands for it.
    if short.first() == Some(&5) {
        stem.replace_range(..1, "\u{e5}");
    }
    if extension.is_empty() { stem } else { format!("{stem}.{extension}") }
}

/// The checksum that ties a long name to its short one.
pub(super) fn checksum(short: &Short) -> u8 {
    short.iter().fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(name: &str, taken: &mut BTreeSet<Short>) -> (String, bool) {
        let (short, exact) = shorten(name, taken).unwrap();
        (String::from_utf8(short.to_vec()).unwrap(), exact)
    }

    #[test]
    fn short_names_are_exact_or_numbered() {
        let mut taken = BTreeSet::new();
        assert_eq!(short("BOOTX64.EFI", &mut taken), ("BOOTX64 EFI".into(), true));
        assert_eq!(short("Linux", &mut taken), ("LINUX~1    ".into(), false));
        assert_eq!(short("linux", &mut taken), ("LINUX~2    ".into(), false));
        assert_eq!(short("worker_2026.11.20.efi", &mut taken), ("WORKER~1EFI".into(), false));
        assert_eq!(short(".cache", &mut taken), ("CACHE~1    ".into(), false));
        assert_eq!(short("größe.txt", &mut taken), ("GR____~1TXT".into(), false));
    }

    #[test]
    fn what_windows_refuses_is_refused() {
        for bad in ["", ".", "a/b", "a:b", "end.", "end ", "a\nb", &"x".repeat(256)] {
            assert!(!is_lawful(bad), "{bad:?}");
        }
        assert!(is_lawful("größe v2.efi"));
    }
}
