//! File systems whose files are read: FAT and ISO 9660, which firmware boots from, and EROFS, ext2, ext3, ext4, in
//! which roots and their kernels lie.

pub(crate) mod erofs;
pub(crate) mod ext4;
pub(crate) mod fat;
pub(crate) mod iso;
mod resolve;
