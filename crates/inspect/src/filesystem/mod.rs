//! File systems that firmware reads, and so do we: FAT and ISO 9660.

pub(crate) mod fat;
pub(crate) mod iso;
