//! File systems whose files are opened: FAT and ISO 9660, which firmware reads, and EROFS.

pub(crate) mod erofs;
pub(crate) mod fat;
pub(crate) mod iso;
