//! The info dictionary: what the pieces of a torrent are.

use std::fmt;

use super::InfoHash;
use super::bencode::{DecodeError, Value};
use crate::chunks::MAX_CHUNK;
use crate::manifest::is_plain_name;
use crate::{MAX_MANIFEST, RootManifest};

/// Pieces of other people's torrents that are read: 256 GiB of 1 MiB pieces. Bounds bitfields to 32 KiB.
pub const MAX_PIECES: usize = 1 << 18;

/// An info dictionary together with its exact bytes, of which the info-hash is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    bytes: Vec<u8>,
    /// SHA-1 of the bytes.
    pub hash: InfoHash,
    /// The suggested file name; for several files, their directory. Any text: not yet fit for a path, see
    /// [`Info::file_name`].
    pub name: String,
    /// Bytes in every piece but the last.
    pub piece_length: u32,
    /// SHA-1 of each piece.
    pub pieces: Vec<[u8; 20]>,
    /// What the pieces make, laid end to end.
    pub content: Content,
    /// Peers come from the trackers alone (BEP 27): no local discovery, no peer exchange.
    pub private: bool,
}

/// One file or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One file of that many bytes.
    File(u64),
    /// Several files, one after the other.
    Files(Vec<FileInTorrent>),
}

/// One of several files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInTorrent {
    /// Its path. Any text: see [`Info::placed`].
    pub path: PathInTorrent,
    /// Its bytes.
    pub size: u64,
    /// What it is (BEP 47).
    pub kind: FileKind,
}

/// What a file of a torrent is: its `attr` (BEP 47).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    Regular,
    /// Zeros that bring the next file to the beginning of a piece: `p`.
    Padding,
    /// A symbolic link: `l`.
    Symlink,
}

/// A path as a torrent names it: any bytes, for messages only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathInTorrent(pub Vec<String>);

impl fmt::Display for PathInTorrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// Why bytes are no info dictionary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// More than [`MAX_MANIFEST`] bytes.
    #[error("the torrent has {0} bytes, more than {MAX_MANIFEST}")]
    TooLarge(usize),
    /// Not bencoding.
    #[error("the torrent is malformed: {0}")]
    Bencode(#[from] DecodeError),
    /// A key that is missing, or whose value is of another type or out of bounds.
    #[error("the torrent's {key:?} is {problem}")]
    Key {
        /// The key of the dictionary.
        key: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// Pieces that do not cover the files.
    #[error("the torrent has {pieces} pieces of {piece_length} bytes for {size} bytes")]
    Pieces {
        /// Number of pieces.
        pieces: usize,
        /// Bytes of each.
        piece_length: u32,
        /// Bytes of all files.
        size: u64,
    },
}

/// A torrent and a manifest that are not of the same file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the torrent ({info_hash}) contradicts the manifest ({manifest}): {what}")]
pub struct Contradiction {
    /// The torrent's info-hash.
    pub info_hash: InfoHash,
    /// The digest of the file in the manifest.
    pub manifest: crate::Digest,
    /// Where they differ, with both values.
    pub what: String,
}

impl Info {
    /// The info dictionary of the file that `manifest` describes. It has the four keys that BEP 3 asks for
    /// and no other, so that the same manifest always gives the same info-hash.
    pub fn of(manifest: &RootManifest) -> Self {
        let chunks = &manifest.chunks;
        let pieces = chunks.sha1.concat();
        // A manifest that was read has at most 32 768 chunks of at most 64 MiB.
        let length = i64::try_from(manifest.size).unwrap_or(i64::MAX);
        let bytes = Value::dict([
            ("length", Value::Integer(length)),
            ("name", manifest.file.as_str().into()),
            ("piece length", Value::Integer(chunks.size.into())),
            ("pieces", Value::Bytes(&pieces)),
        ])
        .encode();
        Self {
            hash: InfoHash::of(&bytes),
            bytes,
            name: manifest.file.clone(),
            piece_length: chunks.size,
            pieces: chunks.sha1.clone(),
            content: Content::File(manifest.size),
            private: false,
        }
    }

    /// Reads the bencoded dictionary, as a torrent holds it or peers send it (BEP 9).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InfoError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(InfoError::TooLarge(bytes.len()));
        }
        let dict = Value::decode(bytes)?;
        let name = dict.get("name").and_then(Value::text).ok_or(wrong("name", "missing, or no UTF-8"))?;
        let info = Self {
            bytes: bytes.to_owned(),
            hash: InfoHash::of(bytes),
            name: name.to_owned(),
            piece_length: piece_length(&dict)?,
            pieces: pieces(&dict)?,
            content: content(&dict)?,
            private: dict.get("private").and_then(Value::integer) == Some(1),
        };
        let (size, piece_length) = (info.size(), info.piece_length);
        if size.div_ceil(u64::from(piece_length)) != info.pieces.len() as u64 {
            return Err(InfoError::Pieces { pieces: info.pieces.len(), piece_length, size });
        }
        Ok(info)
    }

    /// The exact bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of all files together: at most what [`MAX_PIECES`] of the largest pieces hold.
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::File(size) => *size,
            // Read with checked sums.
            Content::Files(files) => files.iter().map(|file| file.size).sum(),
        }
    }

    /// The name, when it is a plain file name that stays in its directory.
    pub fn file_name(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|name| is_plain_name(name))
    }

    /// Fails when this torrent is of another file than `manifest`: another size, or a piece that has
    /// another SHA-1 than the chunk in its place. Names and piece lengths may differ: pieces of another
    /// length cannot be compared, and the manifest decides when they arrive.
    pub fn agrees_with(&self, manifest: &RootManifest) -> Result<(), Contradiction> {
        let contradiction = |what| Contradiction { info_hash: self.hash, manifest: manifest.digest, what };
        if self.size() != manifest.size {
            let what = format!("{} bytes there, {} here", self.size(), manifest.size);
            return Err(contradiction(what));
        }
        if self.piece_length != manifest.chunks.size {
            return Ok(());
        }
        let mut pairs = self.pieces.iter().zip(&manifest.chunks.sha1).enumerate();
        match pairs.find(|(_, (piece, chunk))| piece != chunk) {
            None => Ok(()),
            Some((index, (piece, chunk))) => {
                let (piece, chunk) = (hex::encode(piece), hex::encode(chunk));
                Err(contradiction(format!("piece {index} has the SHA-1 {piece} there, {chunk} here")))
            }
        }
    }
}

fn wrong(key: &'static str, problem: &'static str) -> InfoError {
    InfoError::Key { key, problem }
}

fn piece_length(dict: &Value<'_>) -> Result<u32, InfoError> {
    let stated = dict.get("piece length").and_then(Value::integer);
    let stated = stated.ok_or(wrong("piece length", "missing, or no integer"))?;
    let lawful = u32::try_from(stated).ok().filter(|length| (1..=MAX_CHUNK).contains(length));
    lawful.ok_or(wrong("piece length", "not between 1 byte and 64 MiB"))
}

fn pieces(dict: &Value<'_>) -> Result<Vec<[u8; 20]>, InfoError> {
    let missing = match dict.get("meta version").and_then(Value::integer) {
        Some(2..) => "missing: a torrent of version 2 alone (BEP 52) is not supported",
        _ => "missing, or no byte string",
    };
    let bytes = dict.get("pieces").and_then(Value::bytes).ok_or(wrong("pieces", missing))?;
    let (pieces, rest) = bytes.as_chunks::<20>();
    if !rest.is_empty() || pieces.len() > MAX_PIECES {
        return Err(wrong("pieces", "no list of SHA-1 digests, or longer than 262144 of them"));
    }
    Ok(pieces.to_vec())
}

fn content(dict: &Value<'_>) -> Result<Content, InfoError> {
    match (dict.get("length"), dict.get("files")) {
        (Some(length), None) => size_of(length, "length").map(Content::File),
        (None, Some(files)) => {
            let list = files.list().ok_or(wrong("files", "no list"))?;
            let mut total = 0u64;
            let file = |entry: &Value<'_>| {
                let length = entry.get("length").ok_or(wrong("files", "without the length of a file"))?;
                let length = size_of(length, "files")?;
                total = total.checked_add(length).ok_or(wrong("files", "more than 2^64 bytes"))?;
                let path = entry.get("path").and_then(Value::list).unwrap_or_default();
                let path: Option<Vec<_>> = path.iter().map(|part| part.text().map(str::to_owned)).collect();
                let path =
                    path.filter(|path| !path.is_empty()).ok_or(wrong("files", "without a path in UTF-8"))?;
                let attributes = entry.get("attr").and_then(Value::text).unwrap_or_default();
                let kind = match attributes {
                    _ if attributes.contains('l') => FileKind::Symlink,
                    _ if attributes.contains('p') => FileKind::Padding,
                    _ => FileKind::Regular,
                };
                Ok(FileInTorrent { path: PathInTorrent(path), size: length, kind })
            };
            list.iter().map(file).collect::<Result<_, InfoError>>().map(Content::Files)
        }
        (Some(_), Some(_)) => Err(wrong("files", "there beside a length")),
        (None, None) => Err(wrong("length", "missing")),
    }
}

fn size_of(value: &Value<'_>, key: &'static str) -> Result<u64, InfoError> {
    let size = value.integer().and_then(|size| u64::try_from(size).ok());
    size.ok_or(wrong(key, "no number of bytes"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::RootFormat;
    use crate::chunks::ChunkDigester;

    pub(in crate::torrent) fn manifest(bytes: &[u8]) -> RootManifest {
        let mut digester = ChunkDigester::new(16 << 10);
        digester.update(bytes);
        let (size, digest, chunks) = digester.finish();
        RootManifest {
            schema: 1,
            file: "root.img".into(),
            format: RootFormat::Erofs,
            size,
            digest,
            chunks,
            verity: None,
        }
    }

    #[test]
    fn a_manifest_and_its_torrent_agree_and_the_hash_is_fixed() {
        let manifest = manifest(&[7; 40_000]);
        let info = Info::of(&manifest);
        assert_eq!(Info::from_bytes(info.bytes()).unwrap(), info);
        assert_eq!(info.pieces.len(), 3);
        info.agrees_with(&manifest).unwrap();
    }

    #[test]
    fn a_torrent_of_another_file_names_both_digests() {
        let (ours, theirs) = (manifest(&[7; 40_000]), manifest(&[8; 40_000]));
        let error = Info::of(&theirs).agrees_with(&ours).unwrap_err().to_string();
        assert!(error.contains(&ours.digest.to_string()), "{error}");
        assert!(error.contains(&Info::of(&theirs).hash.to_string()), "{error}");
        assert!(error.contains("piece 0"), "{error}");
        let error = Info::of(&manifest(&[7; 39_999])).agrees_with(&ours).unwrap_err().to_string();
        assert!(error.contains("39999 bytes there, 40000 here"), "{error}");
    }

    #[test]
    fn several_files_are_told_apart() {
        let bytes = b"d5:filesld6:lengthi3e4:pathl1:a1:beed6:lengthi4e4:pathl1:ceee4:name1:n12:piece lengthi16e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
        let info = Info::from_bytes(bytes).unwrap();
        assert_eq!(info.size(), 7);
        let Content::Files(files) = &info.content else { panic!("{info:?}") };
        assert_eq!((files[0].path.to_string().as_str(), files[0].size), ("a/b", 3));
    }

    #[test]
    fn absurd_dictionaries_are_refused_by_the_name_of_the_key() {
        let cases: [(&[u8], &str); 8] = [
            (b"d4:name1:ae", "piece length"),
            (b"d6:lengthi1e4:name1:a12:piece lengthi0e6:pieces0:e", "between 1 byte"),
            (b"d6:lengthi1e4:name1:a12:piece lengthi4294967296e6:pieces0:e", "between 1 byte"),
            (b"d6:lengthi1e4:name1:a12:piece lengthi16e6:pieces3:abce", "SHA-1"),
            (b"d6:lengthi-1e4:name1:a12:piece lengthi16e6:pieces0:e", "number of bytes"),
            (b"d6:lengthi17e4:name1:a12:piece lengthi16e6:pieces20:aaaaaaaaaaaaaaaaaaaae", "1 pieces of 16 bytes for 17"),
            (b"d12:meta versioni2e4:name1:a12:piece lengthi16ee", "version 2"),
            (b"d5:filesld6:lengthi9223372036854775807e4:pathl1:aeed6:lengthi9223372036854775807e4:pathl1:beed6:lengthi9e4:pathl1:ceee4:name1:n12:piece lengthi16e6:pieces0:e", "2^64"),
        ];
        for (bytes, word) in cases {
            let error = Info::from_bytes(bytes).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
