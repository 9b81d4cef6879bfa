//! Step 5: modules, firmware and agent.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use bootwright_image::Digest;

use super::root::at;
use super::{BuildError, Job, Outcome, Size, Step};
use crate::initrd::{Addition, Content, Plan, Profile, Report, assemble, host};
use crate::kernel::{Kernel, module_directory};
use crate::recipe;
use crate::tree::{Tree, TreePath};

const IMAGE: &str = "initrd.img";
const KERNEL: &str = "vmlinuz";
const SIZES: &str = "sizes.json";

/// Where the kernel looks at the machine that builds.
const DEVICES: &str = "/sys/devices";

/// The initrd and the kernel, as files in the cache.
pub(super) struct Initrd {
    pub image: PathBuf,
    pub kernel: PathBuf,
    pub sizes: Vec<Size>,
    pub key: Digest,
}

impl Job<'_> {
    /// Packs the initrd for `kernel` from `tree`, which has its modules and firmware.
    pub(super) fn pack_initrd(
        &mut self,
        tree: &Tree,
        kernel: &Kernel,
        created: u64,
    ) -> Result<Initrd, BuildError> {
        let wanted = &self.recipe.initrd;
        let began = self
            .log
            .begin(Step::Initrd, &format!("modules for {:?} machines", wanted.profile).to_lowercase());
        let modules = module_directory(tree, &kernel.version)?;
        let mut plan = Plan::new(tree, &String::from_utf8_lossy(modules.as_bytes()));
        plan.profile = profile(wanted.profile)?;
        plan.config = kernel.config.clone();
        plan.agent = Some(self.options.agent.clone());
        plan.mtime = u32::try_from(created).unwrap_or(u32::MAX);
        for (source, place) in &wanted.add {
            plan.additions.extend(Addition::read(source, &place.to_string()).map_err(at(source))?);
        }
        let key = self.initrd_key(&plan, tree, &modules, kernel)?;
        let (directory, outcome) = match self.cache.get("initrd", key) {
            Some(directory) => (directory, Outcome::Cached),
            None => {
                let make = |directory: &Path| make(&plan, kernel, directory);
                (self.cache.put("initrd", key, make)?, Outcome::Done)
            }
        };
        let image = directory.join(IMAGE);
        let bytes = std::fs::metadata(&image).map_err(at(&image))?.len();
        let path = directory.join(SIZES);
        let kept: Kept = serde_json::from_slice(&std::fs::read(&path).map_err(at(&path))?)?;
        for warning in kept.warnings {
            self.log.warn(warning);
        }
        let sizes = kept.sizes.into_iter().map(|(what, bytes)| Size { what, bytes }).collect();
        self.log.end(Step::Initrd, began, outcome, kept.detail, Some(bytes));
        Ok(Initrd { image, kernel: directory.join(KERNEL), sizes, key })
    }

    fn initrd_key(
        &self,
        plan: &Plan<'_>,
        tree: &Tree,
        modules: &TreePath,
        kernel: &Kernel,
    ) -> Result<Digest, BuildError> {
        let firmware = tree.resolve(&"/lib/firmware".parse().map_err(crate::tree::EditError::from)?)?;
        let aliases = match &plan.profile {
            Profile::Host(aliases) => aliases.join("\n"),
            _ => String::new(),
        };
        let mut key = self
            .own_key()
            .with("modules", tree.subtree(modules)?.fingerprint().0)
            .with("firmware", tree.subtree(&firmware)?.fingerprint().0)
            .with("kernel", kernel.image.identity().0)
            .with("config", format!("{:?}", kernel.config))
            .with("profile", plan.profile.name())
            .with("host", aliases)
            .with("agent", Digest::of(&self.options.agent).0)
            .with("mtime", plan.mtime.to_le_bytes());
        for addition in &plan.additions {
            let content = match &addition.content {
                Content::File(bytes, mode) => format!("{mode:o} {}", Digest::of(bytes)),
                Content::Directory(mode) => format!("directory {mode:o}"),
                Content::Symlink(target) => format!("link {target}"),
            };
            key = key.with(&addition.place, content);
        }
        Ok(key.finish())
    }
}

/// What is told of an initrd, whether it was just packed or comes out of the cache.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    detail: String,
    sizes: Vec<(String, u64)>,
    warnings: Vec<String>,
}

impl From<&Report> for Kept {
    fn from(report: &Report) -> Self {
        let Report { modules, module_bytes, firmware, firmware_bytes, .. } = report;
        let mut warnings: Vec<String> = report.assumed.iter().cloned().collect();
        if !report.missing_firmware.is_empty() {
            let count = report.missing_firmware.len();
            warnings.push(format!("the initrd lacks {count} firmware files that its modules may ask for"));
        }
        Self {
            detail: format!("{modules} modules, {firmware} firmware files, {}", report.compression),
            sizes: vec![
                (format!("{modules} modules, unpacked"), *module_bytes),
                (format!("{firmware} firmware files, unpacked"), *firmware_bytes),
            ],
            warnings,
        }
    }
}

fn make(plan: &Plan<'_>, kernel: &Kernel, directory: &Path) -> Result<(), BuildError> {
    let path = directory.join(IMAGE);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&path).map_err(at(&path))?);
    let report = assemble(plan, &mut out)?;
    out.flush().map_err(at(&path))?;
    let path = directory.join(SIZES);
    std::fs::write(&path, serde_json::to_vec(&Kept::from(&report))?).map_err(at(&path))?;
    let path = directory.join(KERNEL);
    let copy = || io::copy(&mut kernel.image.reader()?, &mut File::create(&path)?);
    let copied = copy().map_err(at(&path))?;
    if copied != kernel.image.len() {
        return Err(at(&path)(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

fn profile(profile: recipe::Profile) -> Result<Profile, BuildError> {
    Ok(match profile {
        recipe::Profile::Network => Profile::Network,
        recipe::Profile::Generic => Profile::Generic,
        recipe::Profile::Host => {
            let devices = Path::new(DEVICES);
            Profile::Host(host::modaliases(devices).map_err(at(devices))?)
        }
    })
}
