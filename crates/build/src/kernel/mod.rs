//! The kernel of an image: found with its modules, its configuration held against what the image needs.

mod find;
pub mod needs;
mod version;

pub use find::module_directory;
pub use find::{Kernel, KernelError};
pub use needs::UnfitKernel;
