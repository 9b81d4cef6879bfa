//! Sockets and state around the boot protocols.
//!
//! - [`images`]: the catalogue: image directories, checked and opened.
//! - [`http`]: artifacts by sendfile(2), everything else through a router.

pub mod api;
pub mod http;
pub mod images;
pub mod recorder;
pub mod state;
#[cfg(test)]
mod testing;
mod ui;
