//! Debian packages, installed without root by mmdebstrap(1) into a tar.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::apt::{self, AptError};
use crate::recipe::Debian;
use crate::tool::{Tool, ToolError};

/// The program that installs.
pub const MMDEBSTRAP: Tool = Tool { program: "mmdebstrap", package: "mmdebstrap" };
const APT_CONFIG: Tool = Tool { program: "apt-config", package: "apt" };

/// Settings of the host's apt that a build needs as much as the host does.
const INHERITED: &[&str] =
    &["Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-Valid-Until", "Acquire::Retries"];

/// Why packages cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// No mirror.
    #[error(transparent)]
    Apt(#[from] AptError),
    /// mmdebstrap.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The tar cannot be written.
    #[error("writing {path} failed")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What is asked of mmdebstrap: its arguments but for the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    suite: String,
    options: Vec<String>,
    sources: Vec<String>,
}

impl Plan {
    /// For `debian`, with the mirrors of the host where the recipe names none.
    pub fn new(debian: &Debian) -> Result<Self, DebianError> {
        let sources = match &debian.mirror {
            Some(uri) => {
                vec![apt::mirror_line(uri, &debian.suite, debian.keyring.as_deref(), &debian.components)]
            }
            None => apt::lines(Path::new("/"), &debian.suite, &debian.components)?,
        };
        let mut options = vec![
            "--format=tar".to_owned(),
            format!("--variant={}", debian.variant),
            // Translations of package descriptions: nobody reads them in an image.
            "--aptopt=Acquire::Languages \"none\"".to_owned(),
        ];
        if !debian.packages.is_empty() {
            options.push(format!("--include={}", debian.packages.join(",")));
        }
        options.extend(inherited_settings()?);
        Ok(Self { suite: debian.suite.clone(), options, sources })
    }

    /// Everything that decides what comes out, but for the day.
    pub fn inputs(&self) -> String {
        format!("{}\n{}\n{}", self.suite, self.options.join("\n"), self.sources.join("\n"))
    }

    /// Installs into the tar `to`. `heard` gets what mmdebstrap says. Seconds since 1970 in `epoch` bound
    /// the files' times and make the result reproducible.
    pub fn run(
        &self,
        to: &Path,
        epoch: Option<u64>,
        heard: &(dyn Fn(&str) + Sync),
    ) -> Result<(), DebianError> {
        let tar = File::create(to).map_err(|source| DebianError::Write { path: to.to_owned(), source })?;
        let mut command = MMDEBSTRAP.command();
        command.args(&self.options).args([self.suite.as_str(), "-"]).args(&self.sources);
        command.stdout(tar);
        // A distribution's own initrd would be made by the kernel's postinst, for a minute, and never be used.
        command.env("INITRD", "No");
        match epoch {
            Some(epoch) => command.env("SOURCE_DATE_EPOCH", epoch.to_string()),
            None => command.env_remove("SOURCE_DATE_EPOCH"),
        };
        Ok(MMDEBSTRAP.run(&mut command, None, heard)?)
    }
}

/// `--aptopt` for those settings of the host that are set. A host without apt has none.
fn inherited_settings() -> Result<Vec<String>, ToolError> {
    let mut command = APT_CONFIG.command();
    command.arg("dump").args(INHERITED);
    let text = match APT_CONFIG.output(&mut command) {
        Ok(text) => text,
        Err(ToolError::Missing { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let set = |line: &&str| {
        let named =
            INHERITED.iter().any(|key| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" \"")));
        named && !line.ends_with(" \"\";")
    };
    Ok(text.lines().filter(set).map(|line| format!("--aptopt={}", line.trim_end_matches(';'))).collect())
}
