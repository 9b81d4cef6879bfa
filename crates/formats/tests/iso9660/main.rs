//! ISO 9660: xorriso, isoinfo, bsdtar and 7-Zip read what we write, we read what xorriso and mkisofs write.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod judge;
mod reading;
mod writing;
