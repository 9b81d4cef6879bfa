//! A build from end to end.
//!
//! 1. [`source`]: the root becomes a [`Tree`](crate::tree::Tree);
//! 2. [`kernel`]: kernel and modules are found in it, or brought into it;
//! 3. [`change`]: the recipe's changes, its script, what is left out;
//! 4. [`root`]: `root.img` and `root.json`;
//! 5. [`initrd`]: modules, firmware, agent;
//! 6. [`uki`]: the [`Pin`](bootwright_image::Pin) in a segment of its own, so that a new command line
//!    makes neither a new root nor a new initrd; everything into `image.efi`;
//! 7. [`output`]: disks and ISOs of what is there now;
//! 8. [`publish`]: the finished directory takes its place at once.
//!
//! Steps 1, 3 (script), 4 and 5 are kept in the [`Cache`] under the digest of their inputs. When the
//! inputs of all steps are those of the image that is there already, steps 6 to 8 are left out.

mod change;
mod error;
mod initrd;
mod kernel;
mod output;
mod progress;
mod publish;
mod root;
mod source;
mod uki;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bootwright_image::Digest;
use bootwright_image::manifest::is_plain_name;

pub use error::{BuildError, Cause};
pub use progress::{Outcome, Progress, Report, Size, Step, StepReport};

use crate::cache::{Cache, Key};
use crate::recipe::Recipe;
use progress::Log;

/// Whether results that depend on the day, packages and what a script does, are taken again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// They are.
    Keep,
    /// They are made anew: the mirror may have newer packages.
    Fetch,
}

/// What a build needs beside the recipe.
#[derive(Debug, Clone)]
pub struct Options {
    /// The image directory to make; `None`: the recipe's name, in the current directory.
    pub output: Option<PathBuf>,
    /// Where results are kept; `None`: beside the recipe, or in the user's cache directory.
    pub cache: Option<PathBuf>,
    /// The agent's program.
    pub agent: Vec<u8>,
    /// `SOURCE_DATE_EPOCH`, seconds since 1970.
    pub epoch: Option<u64>,
    /// Whether packages are fetched, and a script is run, anew.
    pub refresh: Refresh,
}

/// Builds the image that `recipe` describes.
pub fn build(recipe: &Recipe, options: &Options, progress: &dyn Progress) -> Result<Report, BuildError> {
    let output = options.output.clone().unwrap_or_else(|| PathBuf::from(&recipe.name));
    let name = image_name(&output)?;
    publish::check_replaceable(&output)?;
    let directory = cache_directory(recipe, options);
    let cache =
        Cache::open(&directory, || progress.warn("waiting for another build that uses the same cache"))?;
    let mut job = Job { recipe, options, name, output, cache, log: Log::new(progress) };
    job.run()
}

/// One build under way.
struct Job<'a> {
    recipe: &'a Recipe,
    options: &'a Options,
    name: String,
    output: PathBuf,
    cache: Cache,
    log: Log<'a>,
}

impl Job<'_> {
    fn run(&mut self) -> Result<Report, BuildError> {
        let mut tree = self.fetch_source()?;
        let created = self.options.epoch.unwrap_or_else(|| tree.newest(now()));
        let kernel = self.find_kernel(&mut tree, created)?;
        let whole = self.change(&mut tree, &kernel, created)?;
        let root = self.write_root(&tree, &kernel, created)?;
        let initrd = self.pack_initrd(&whole, &kernel, created)?;
        self.put_together(&tree, &kernel, &root, &initrd, created)
    }

    /// A key that a new version of this program makes anew.
    fn own_key(&self) -> Key {
        Key::default().with("program", program_identity().0)
    }
}

/// The image's name is that of its directory.
fn image_name(output: &Path) -> Result<String, BuildError> {
    let name = output.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if is_plain_name(name) { Ok(name.to_owned()) } else { Err(BuildError::Name(output.to_owned())) }
}

fn cache_directory(recipe: &Recipe, options: &Options) -> PathBuf {
    if let Some(directory) = &options.cache {
        return directory.clone();
    }
    let beside = recipe.path.parent().unwrap_or(Path::new("")).join(".bootwright-cache");
    if std::fs::create_dir_all(&beside).is_ok() {
        return beside;
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let users = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    users.unwrap_or_else(std::env::temp_dir).join("bootwright")
}

/// Changes when this program is another one: what it makes may then be different.
fn program_identity() -> Digest {
    let metadata = std::fs::metadata("/proc/self/exe");
    metadata.map_or(Digest::of(env!("CARGO_PKG_VERSION").as_bytes()), |found| crate::tree::stamp(&found))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
