//! `bootwright build`: a recipe becomes an image.

mod render;
mod summary;

use std::io::Write as _;
use std::path::PathBuf;

use bootwright_build::recipe::{Recipe, RecipeError};
use bootwright_build::steps::{self, BuildError, Cause, Options, Refresh};
use clap::Args;

use crate::failure::{Failure, Kind, OrFail as _};

/// Build an image from a recipe.
///
/// The recipe is a TOML file; `bootwright init` writes a first one. What comes out is a directory with the
/// UKI, the root file system and their manifests: `serve` and `vm` take it as it is. It appears when it is
/// complete, in place of an older one. Results of steps are kept beside the recipe, in .bootwright-cache:
/// a second build does again only what has changed.
///
/// SOURCE_DATE_EPOCH, when set, dates everything that is made; the same inputs then give the same bytes.
///
/// Example: bootwright build examples/hello -o hello_1
#[derive(Args)]
pub struct Build {
    /// The recipe, or a directory with a bootwright.toml.
    #[arg(default_value = "bootwright.toml")]
    recipe: PathBuf,
    /// The image directory; its name is the image's. Default: the name in the recipe, here.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Where results of steps are kept.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Fetch packages and run the script anew instead of taking the results of an earlier build.
    #[arg(long)]
    refresh: bool,
    /// Tell what was built as JSON.
    #[arg(long)]
    json: bool,
}

impl Build {
    /// Builds it and tells of its sizes.
    pub fn run(self) -> Result<(), Failure> {
        let recipe = Recipe::load(&self.recipe).map_err(recipe_failure)?;
        let options = Options {
            output: self.output,
            cache: self.cache,
            agent: crate::initrd::agent()?,
            epoch: source_date_epoch()?,
            refresh: if self.refresh { Refresh::Fetch } else { Refresh::Keep },
        };
        let progress = render::Render::new();
        let built = steps::build(&recipe, &options, &progress);
        progress.finish();
        let report = built.map_err(build_failure)?;
        if self.json {
            let text = serde_json::to_string_pretty(&report).or_environment()?;
            return writeln!(std::io::stdout(), "{text}").or_environment();
        }
        summary::print(&report).or_environment()
    }
}

/// A recipe that cannot be read at all is the environment's fault, what it says is the user's.
pub fn recipe_failure(error: RecipeError) -> Failure {
    let kind = match error {
        RecipeError::Read { .. } => Kind::Environment,
        RecipeError::TooLarge { .. } | RecipeError::Faults { .. } => Kind::Usage,
    };
    Failure::new(kind, error)
}

fn build_failure(error: BuildError) -> Failure {
    let kind = match error.cause() {
        Cause::Recipe => Kind::Usage,
        Cause::Input => Kind::Bad,
        Cause::Environment => Kind::Environment,
    };
    Failure::new(kind, Told(error))
}

/// A library's error as a report.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error(transparent)]
struct Told(BuildError);

fn source_date_epoch() -> Result<Option<u64>, Failure> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    // What squashfs, cpio and FAT can hold.
    let seconds = seconds.filter(|seconds| *seconds <= u64::from(u32::MAX)).ok_or_else(|| {
        let text = format!("SOURCE_DATE_EPOCH={} is no number of seconds up to {}", text.display(), u32::MAX);
        Failure::message(Kind::Usage, text)
    })?;
    Ok(Some(seconds))
}
