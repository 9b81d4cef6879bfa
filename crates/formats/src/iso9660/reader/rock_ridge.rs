//! Rock Ridge fields of a directory entry.

use std::ops::ControlFlow;

use super::SECTOR;
use crate::fields::{u8_at, u32_le};
use crate::{ReadAt as _, Shared};

/// How often the fields of one entry may go on elsewhere: a cycle ends here.
const MAX_CONTINUATIONS: usize = 16;

/// Bytes of a name or link: more than any system takes.
const MAX_TEXT: usize = 4096;

/// What the fields say.
#[derive(Default)]
pub(super) struct SystemUse {
    pub name: Option<String>,
    pub target: Option<String>,
    pub mode: Option<u32>,
}

/// Whether the system use of the root's first entry announces Rock Ridge (SP), and how many bytes the
/// entries have before their fields. XA stands in front of it at times, 14 bytes.
pub(super) fn announced(bytes: &[u8]) -> Option<usize> {
    [0, 14].into_iter().find_map(|skip| {
        let field = bytes.get(skip..)?;
        let is_sp = field.starts_with(&[b'S', b'P', 7, 1, 0xbe, 0xef]);
        is_sp.then(|| u8_at(field, 6).map(usize::from)).flatten()
    })
}

#[derive(Default)]
struct Texts {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    /// Whether the last component of the target goes on in the next record.
    joined: bool,
    mode: Option<u32>,
    /// Offset and length of where the fields go on.
    next: Option<(u64, usize)>,
}

impl SystemUse {
    /// Reads the fields in `bytes` and where they go on. What cannot be read is left out.
    pub fn read(image: &Shared, bytes: &[u8]) -> Self {
        let mut texts = Texts::default();
        texts.fields(bytes);
        for _ in 0..MAX_CONTINUATIONS {
            let Some((offset, length)) = texts.next.take() else { break };
            let mut more = vec![0; length];
            if image.read_exact_at(offset, &mut more).is_err() {
                break;
            }
            texts.fields(&more);
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let name = texts.name.filter(|name| !name.is_empty() && !name.contains(&b'/')).map(text);
        Self { name, target: texts.target.map(text), mode: texts.mode }
    }
}

impl Texts {
    fn fields(&mut self, mut bytes: &[u8]) {
        while let (Some(signature), Some(length)) = (bytes.get(..2), u8_at(bytes, 2)) {
            let Some(field) = bytes.get(..usize::from(length)).filter(|field| field.len() >= 4) else {
                return;
            };
            if self.field(signature, field).is_break() {
                return;
            }
            bytes = bytes.get(field.len()..).unwrap_or_default();
        }
    }

    fn field(&mut self, signature: &[u8], field: &[u8]) -> ControlFlow<()> {
        match signature {
            b"PX" => self.mode = u32_le(field, 4),
            // The flags 2 and 4 mean . and .., which have no other name.
            b"NM" if u8_at(field, 4).is_some_and(|flags| flags & 6 == 0) => {
                let name = self.name.get_or_insert_default();
                name.extend(field.get(5..).unwrap_or_default());
                name.truncate(MAX_TEXT);
            }
            b"SL" => self.link(field.get(5..).unwrap_or_default()),
            b"CE" => {
                let number = |at| u32_le(field, at).map(u64::from);
                if let (Some(block), Some(offset), Some(length)) = (number(4), number(12), number(20)) {
                    let length = length.min(SECTOR) as usize;
                    self.next = Some((block * SECTOR + offset, length));
                }
            }
            b"ST" => return ControlFlow::Break(()),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// The components of a link: a byte of flags, a byte of length, a text.
    fn link(&mut self, mut bytes: &[u8]) {
        let target = self.target.get_or_insert_default();
        while let (Some(flags), Some(length)) = (u8_at(bytes, 0), u8_at(bytes, 1)) {
            let text = bytes.get(2..2 + usize::from(length)).unwrap_or_default();
            let text: &[u8] = match flags & 0x0e {
                0x02 => b".",
                0x04 => b"..",
                0x08 => b"/",
                _ => text,
            };
            if !self.joined && !target.is_empty() && !target.ends_with(b"/") {
                target.push(b'/');
            }
            target.extend(text);
            target.truncate(MAX_TEXT);
            self.joined = flags & 1 != 0;
            bytes = bytes.get(2 + usize::from(length)..).unwrap_or_default();
        }
    }
}
