//! Step 3: the recipe's changes.

use super::source::open_tar;
use super::{BuildError, Job, Outcome, Refresh, Step};
use crate::cache::Key;
use crate::customize::{self, script};
use crate::kernel::Kernel;
use crate::recipe::BootFiles;
use crate::tree::{Glob, Tree};

/// The root after the script, among that step's results.
const TAR: &str = "root.tar";

/// What a machine that boots this image never reads.
const BOOT_FILES: &[&str] =
    &["/boot/*", "/vmlinuz", "/vmlinuz.old", "/initrd.img", "/initrd.img.old", "/usr/lib/modules/*/vmlinuz"];

impl Job<'_> {
    /// Changes `tree`; returns it as it was before anything was left out: what is no use in the root
    /// (modules, firmware) may be wanted in the initrd.
    pub(super) fn change(
        &mut self,
        tree: &mut Tree,
        kernel: &Kernel,
        created: u64,
    ) -> Result<Tree, BuildError> {
        let began = self.log.begin(Step::Change, "files, users, units");
        for warning in customize::apply(tree, &self.recipe.changes, created)? {
            self.log.warn(warning);
        }
        if let Some(script) = &self.recipe.changes.script {
            *tree = self.run_script(tree, script, created)?;
        }
        let whole = tree.clone();
        let mut patterns = self.recipe.exclude.clone();
        if self.recipe.boot_files == BootFiles::Drop {
            patterns.extend(BOOT_FILES.iter().map(|pattern| Glob::new(pattern)));
        }
        let before = (tree.len(), tree.file_bytes());
        tree.exclude(&patterns);
        let gone = (before.0 - tree.len(), before.1.saturating_sub(tree.file_bytes()));
        let detail =
            format!("{} files stay, {} are left out ({} MB)", tree.len(), gone.0, gone.1 / 1_000_000);
        self.log.end(Step::Change, began, Outcome::Done, detail, Some(tree.file_bytes()));
        tracing::debug!(kernel = kernel.version, "root is complete");
        Ok(whole)
    }

    fn run_script(&mut self, tree: &Tree, script: &str, created: u64) -> Result<Tree, BuildError> {
        let began = self.log.begin(Step::Script, "the script inside the root");
        self.log.warn("the recipe has a script: what it does may differ from one day to the next".to_owned());
        let fingerprint = tree.fingerprint();
        let key = Key::default().with("root", fingerprint.0).with("script", script).finish();
        let earlier = match self.options.refresh {
            Refresh::Keep => self.cache.get("script", key),
            Refresh::Fetch => None,
        };
        let (directory, outcome) = match earlier {
            Some(directory) => (directory, Outcome::Cached),
            None => {
                let work = self.work_directory()?;
                let progress = self.log.progress();
                let heard = |line: &str| progress.said(Step::Script, line);
                let epoch = Some(created);
                let run = |directory: &std::path::Path| -> Result<(), BuildError> {
                    Ok(script::run(tree, script, (work.path(), &directory.join(TAR)), epoch, &heard)?)
                };
                (self.cache.put("script", key, run)?, Outcome::Done)
            }
        };
        let mut changed = open_tar(&directory.join(TAR))?;
        script::put_back(tree, &mut changed)?;
        changed.clamp_times(created);
        self.log.end(Step::Script, began, outcome, format!("{} files", changed.len()), None);
        Ok(changed)
    }
}
