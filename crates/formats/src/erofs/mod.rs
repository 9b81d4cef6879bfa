//! EROFS, the read-only file system of Linux: a [reader] of any image, and a writer that needs neither a mount
//! nor a tree on disk.
//!
//! Specification: `Documentation/filesystems/erofs.rst` and `fs/erofs/erofs_fs.h` of Linux.
//!
//! What is written: blocks have 4096 bytes. The image is written from front to back; what only the end can tell, the superblock, is
//! handed over at the end and belongs into block 0, which is left empty until then:
//!
//! ```text
//! block 0      superblock at 1024, the compressor's settings behind it
//! data         the files' blocks in the order in which the files came, each file from a block's start
//! directories  blocks of directories that do not fit behind their inodes
//! xattrs       extended attributes that several inodes have
//! metadata     inodes on 32-byte slots: inode │ xattrs │ index │ last bytes of the data
//! ```
//!
//! Inodes take 32 bytes where these hold them, else 64. A compressed file has compact indexes, physical
//! clusters of up to 64 KiB that are filled to the end, and its last bytes behind its inode
//! (`ztailpacking`, Linux 5.17). A file that does not get smaller is kept as it is. Equal files of up to
//! 2 MiB are stored once. A file that is mostly holes lies in chunks, of which equal ones are stored once and holes
//! nowhere (`chunked`, Linux 5.15). The bytes are the same whatever the number of threads.
//!
//! The metadata area begins with the root and with what names no block and no inode, in groups that start on a
//! block: these blocks stay the same when a file elsewhere grows, and need not be fetched again.
//!
//! Not written: fragments, deduplication of parts of compressed files, holes in them (zeros are compressed like all
//! else), LZMA, several devices, long prefixes of attribute names, block sizes other than 4096.

mod disk;
pub mod reader;
#[cfg(feature = "erofs")]
mod writer;

#[cfg(feature = "erofs")]
pub use writer::{
    Algorithm, BLOCK_SIZE, Compression, Error, InodeId, Kind, Metadata, Options, Writer, Written,
};
