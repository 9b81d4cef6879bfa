//! Step 2: kernel and modules.

use super::source::unpacked;
use super::{BuildError, Job, Outcome, Step};
use crate::cache::Key;
use crate::kernel::{Kernel, KernelError, module_directory};
use crate::recipe::KernelSource;
use crate::source::deb;
use crate::tree::{Tree, TreePath, stamp};

impl Job<'_> {
    /// Finds the kernel; modules from elsewhere, and indexes that depmod makes, go into `tree` too.
    pub(super) fn find_kernel(&mut self, tree: &mut Tree, created: u64) -> Result<Kernel, BuildError> {
        let began = self.log.begin(Step::Kernel, "kernel and modules");
        let wanted = self.recipe.kernel_version.as_deref();
        let (mut kernel, foreign) = match &self.recipe.kernel {
            KernelSource::Root => (Kernel::find(tree, "the root", wanted)?, false),
            KernelSource::Paths { image, modules, config } => {
                (Kernel::from_paths(image, modules, config.as_deref())?, true)
            }
            KernelSource::Deb(path) => {
                let host_error = |source| KernelError::Host { path: path.clone(), source };
                let identity = stamp(&std::fs::metadata(path).map_err(host_error)?);
                let key = Key::default().with("deb", identity.0).finish();
                let unpack = |to: &std::path::Path| Ok(deb::data_tar(path, to).map_err(KernelError::from)?);
                let (package, _) = unpacked(&self.cache, "deb", key, unpack)?;
                (Kernel::find(&package, &path.display().to_string(), wanted)?, true)
            }
        };
        let incomplete = kernel.lacks_indexes();
        if incomplete {
            self.add_indexes(&mut kernel, created)?;
        }
        if foreign || incomplete {
            let directory = tree.make_directory(&module_directory(tree, &kernel.version)?, created)?;
            tree.graft(&kernel.modules, &TreePath::ROOT, &directory)?;
        }
        let detail = format!("Linux {} for {}", kernel.version, kernel.architecture);
        self.log.end(Step::Kernel, began, Outcome::Done, detail, Some(kernel.image.len()));
        Ok(kernel)
    }

    fn add_indexes(&mut self, kernel: &mut Kernel, created: u64) -> Result<(), BuildError> {
        let key = Key::default().with("modules", kernel.modules.fingerprint().0).finish();
        let directory = match self.cache.get("depmod", key) {
            Some(directory) => directory,
            None => {
                let work = self.work_directory()?;
                self.cache.put("depmod", key, |directory| -> Result<(), BuildError> {
                    Ok(kernel.make_indexes(work.path(), directory)?)
                })?
            }
        };
        Ok(kernel.add_indexes(&directory, created)?)
    }

    /// An empty directory for files that no later build needs.
    pub(super) fn work_directory(&self) -> Result<tempfile::TempDir, BuildError> {
        let tmp = self.cache.tmp();
        tempfile::tempdir_in(&tmp).map_err(|source| BuildError::Io { path: tmp, source })
    }
}
