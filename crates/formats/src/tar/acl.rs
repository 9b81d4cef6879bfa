//! `SCHILY.acl.access` and `SCHILY.acl.default`: POSIX ACLs as text, turned into the extended
//! attribute that the kernel keeps.
//!
//! ```text
//! text:   user::rwx,user:1000:r--,group::r-x,mask::r-x,other::r--      (commas or newlines)
//! binary: u32 version = 2 ‖ per entry: u16 tag ‖ u16 permissions ‖ u32 id, little-endian
//! ```
//! See acl(5) and include/uapi/linux/posix_acl_xattr.h.

const VERSION: u32 = 2;
const NO_ID: u32 = u32::MAX;

/// The value of `system.posix_acl_access` or `system.posix_acl_default`; `None` when the text is no
/// ACL with numeric ids.
pub(super) fn to_xattr(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.split([',', '\n']).map(str::trim).filter(|line| !line.is_empty());
    let mut entries: Vec<(u16, u16, u32)> = lines.map(entry).collect::<Option<_>>()?;
    entries.sort_by_key(|(tag, _, id)| (*tag, *id));
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&permissions.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    Some(value)
}

fn entry(line: &str) -> Option<(u16, u16, u32)> {
    // star appends a fourth field with the numeric id: user:name:rwx:1000.
    let fields: Vec<&str> = line.split(':').collect();
    let (kind, qualifier, permissions) = (fields.first()?, fields.get(1)?, fields.get(2)?);
    let qualifier = fields.get(3).unwrap_or(qualifier);
    let named = !qualifier.is_empty();
    let tag = match (*kind, named) {
        ("user" | "u", false) => 0x01,
        ("user" | "u", true) => 0x02,
        ("group" | "g", false) => 0x04,
        ("group" | "g", true) => 0x08,
        ("mask" | "m", false) => 0x10,
        ("other" | "o", false) => 0x20,
        _ => return None,
    };
    let id = if named { qualifier.parse().ok()? } else { NO_ID };
    let bits = permissions.chars().try_fold(0, |bits, c| match c {
        'r' => Some(bits | 4),
        'w' => Some(bits | 2),
        'x' => Some(bits | 1),
        '-' => Some(bits),
        _ => None,
    })?;
    Some((tag, bits, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_what_the_kernel_keeps() {
        // From `setfacl -m u:1000:r FILE; getfattr -e hex -n system.posix_acl_access FILE`, mode 0644.
        let expected =
            "0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff";
        let text = b"user::rw-,user:1000:r--,group::r--,mask::r--,other::r--";
        let hex: String = to_xattr(text).unwrap().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn a_name_without_a_number_is_no_acl_we_can_keep() {
        assert_eq!(to_xattr(b"user:alice:rwx"), None);
        assert!(to_xattr(b"user:alice:rwx:1000").is_some());
        assert_eq!(to_xattr(b"nonsense"), None);
    }
}
