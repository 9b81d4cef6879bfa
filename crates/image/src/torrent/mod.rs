//! BitTorrent's description of a file: metainfo and magnet links, so that standard clients take part.
//!
//! Specification: BEP 3 (metainfo), 9 (magnet links, and the info dictionary on its own), 12 (trackers in
//! tiers), 19 (web seeds), 27 (private). A torrent of ours is a function of the root manifest: a piece is a
//! chunk, and the [info dictionary](Info) holds nothing that depends on who serves it, so that every server
//! of one file has the same [`InfoHash`]. Trackers and web seeds lie outside it.
//!
//! ```text
//! d8:announce..  13:announce-list ll..ee      trackers, in tiers
//!   4:info d 6:lengthi..e 4:name..            SHA-1 of exactly these bytes is the info-hash
//!            12:piece lengthi..e 6:pieces.. e
//!   8:url-list l..e                           HTTP mirrors of the file
//! e
//! ```
//!
//! A torrent vouches for a file by SHA-1 alone. Where a manifest with SHA-256 is known, it decides, and
//! [`Info::agrees_with`] finds a torrent that contradicts it.
//!
//! Read but not written: several files in one torrent ([`Content::Files`]), padding between them (BEP 47). Not supported: torrents of
//! version 2 alone (BEP 52; a hybrid one is read as version 1), DHT nodes, signatures.

pub mod bencode;
mod files;
mod info;
mod info_hash;
mod magnet;
mod metainfo;

pub use files::{PlaceError, PlacedFile};
pub use info::{Content, Contradiction, FileInTorrent, FileKind, Info, InfoError, MAX_PIECES, PathInTorrent};
pub use info_hash::{InfoHash, InfoHashError};
pub use magnet::{Magnet, MagnetError};
pub use metainfo::{MAX_URLS, Metainfo, TorrentError};

/// The file name of a root's torrent in its image directory.
pub const ROOT_TORRENT: &str = "root.torrent";
