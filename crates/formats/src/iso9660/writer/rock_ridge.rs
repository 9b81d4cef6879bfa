//! Rock Ridge: real names, modes, dates and links, in the system use fields of directory entries.

use super::super::date;
use super::{SECTOR, both32};

/// `st_mode` of a file: everybody may read it.
const FILE: u32 = 0o100_444;
const DIRECTORY: u32 = 0o040_555;
const SYMLINK: u32 = 0o120_777;

/// Bytes of an entry that says where the rest is.
const CE: usize = 28;

/// Text of one entry: its length is a byte, five bytes of which go before the text.
const MAX_TEXT: usize = 250;

/// What an entry is about.
pub(super) enum About<'a> {
    File {
        name: &'a str,
    },
    Directory {
        name: &'a str,
    },
    Symlink {
        name: &'a str,
        target: &'a str,
    },
    /// `.` of the root, which says that Rock Ridge is in use.
    Root,
    /// Any other `.` or `..`
    Dot,
}

/// The fields of an entry.
pub(super) fn fields(about: &About<'_>, epoch: u64) -> Vec<Vec<u8>> {
    let (mode, links) = match about {
        About::File { .. } => (FILE, 1),
        About::Symlink { .. } => (SYMLINK, 1),
        About::Directory { .. } | About::Root | About::Dot => (DIRECTORY, 2),
    };
    let mut fields = Vec::new();
    if matches!(about, About::Root) {
        fields.push(vec![b'S', b'P', 7, 1, 0xbe, 0xef, 0]);
    }
    fields.push(field(b"PX", &[both32(mode), both32(links), both32(0), both32(0)].concat()));
    // Modification, access and attribute change.
    fields.push(field(b"TF", &[&[0x0e][..], &date::short(epoch).repeat(3)].concat()));
    match about {
        About::File { name } | About::Directory { name } | About::Symlink { name, .. } => {
            fields.extend(split(b"NM", name.as_bytes()));
        }
        About::Root => fields.push(extension()),
        About::Dot => {}
    }
    if let About::Symlink { target, .. } = about {
        fields.extend(link(target));
    }
    fields
}

fn field(signature: &[u8; 2], payload: &[u8]) -> Vec<u8> {
    let mut field = signature.to_vec();
    field.extend([(payload.len() + 4) as u8, 1]);
    field.extend(payload);
    field
}

/// A text in as many fields as it needs; all but the last say that it goes on.
fn split(signature: &[u8; 2], text: &[u8]) -> Vec<Vec<u8>> {
    let count = text.len().div_ceil(MAX_TEXT);
    let part =
        |(index, part): (usize, &[u8])| field(signature, &[&[u8::from(index + 1 < count)], part].concat());
    text.chunks(MAX_TEXT).enumerate().map(part).collect()
}

/// ER: the name of the extension (RRIP 1.10, 4.3).
fn extension() -> Vec<u8> {
    const IDENTIFIER: &[u8] = b"RRIP_1991A";
    const DESCRIPTION: &[u8] =
        b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";
    const SOURCE: &[u8] = b"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.";
    let lengths = [IDENTIFIER, DESCRIPTION, SOURCE].map(|text| text.len() as u8);
    field(b"ER", &[&lengths[..], &[1], IDENTIFIER, DESCRIPTION, SOURCE].concat())
}

/// SL: the target of a link, component by component (RRIP 1.10, 4.1.3).
fn link(target: &str) -> Vec<Vec<u8>> {
    let mut components: Vec<Vec<u8>> = Vec::new();
    if target.starts_with('/') {
        components.push(vec![0x08, 0]);
    }
    for part in target.split('/').filter(|part| !part.is_empty()) {
        match part {
            "." => components.push(vec![0x02, 0]),
            ".." => components.push(vec![0x04, 0]),
            _ => {
                // A component may go on in the next record; its bytes are counted in one byte too.
                let pieces: Vec<&[u8]> = part.as_bytes().chunks(MAX_TEXT - 2).collect();
                for (index, piece) in pieces.iter().enumerate() {
                    let more = u8::from(index + 1 < pieces.len());
                    components.push([&[more, piece.len() as u8], *piece].concat());
                }
            }
        }
    }
    let mut groups: Vec<Vec<u8>> = vec![Vec::new()];
    for component in components {
        match groups.last_mut() {
            Some(group) if group.len() + component.len() <= MAX_TEXT => group.extend(component),
            _ => groups.push(component),
        }
    }
    let count = groups.len();
    let whole = |(index, group): (usize, Vec<u8>)| {
        field(b"SL", &[&[u8::from(index + 1 < count)][..], &group].concat())
    };
    groups.into_iter().enumerate().map(whole).collect()
}

/// What entries had no room for. No piece of it crosses a sector: Linux refuses that.
#[derive(Default)]
pub(super) struct Continuations {
    pub bytes: Vec<u8>,
}

impl Continuations {
    /// As many `fields` as `room` bytes hold; the rest goes here, to begin at `sector`.
    pub fn fit(&mut self, fields: Vec<Vec<u8>>, room: usize, sector: u32) -> Vec<u8> {
        if fields.iter().map(Vec::len).sum::<usize>() <= room {
            return fields.concat();
        }
        let mut inline = Vec::new();
        let mut rest = fields.into_iter().peekable();
        while let Some(next) = rest.next_if(|field| inline.len() + field.len() + CE <= room) {
            inline.extend(next);
        }
        let rest: Vec<u8> = rest.flatten().collect();
        let sector_size = SECTOR as usize;
        if self.bytes.len() % sector_size + rest.len() > sector_size {
            self.bytes.resize(self.bytes.len().next_multiple_of(sector_size), 0);
        }
        let at = self.bytes.len();
        let place = [
            both32(sector.saturating_add((at / sector_size) as u32)),
            both32((at % sector_size) as u32),
            both32(rest.len() as u32),
        ];
        inline.extend(field(b"CE", &place.concat()));
        self.bytes.extend(rest);
        inline
    }
}
