//! `bootwright init`: a first recipe, by asking or by flags.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use bootwright_build::recipe::{FILE_NAME, Recipe, Template};
use bootwright_image::manifest::{Mode, is_plain_name};
use clap::{Args, ValueEnum};

use crate::build::recipe_failure;
use crate::failure::{Failure, Kind, OrFail as _};

/// Write a first recipe, bootwright.toml.
///
/// On a terminal it asks for what no flag says; otherwise, and with --yes, defaults are taken. A recipe
/// that is there already is never overwritten.
///
/// Example: bootwright init worker --ssh-key ~/.ssh/id_ed25519.pub --packages nginx,curl
#[derive(Args)]
pub struct Init {
    /// Where the recipe goes; made when missing.
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// The image's name; default: that of the directory.
    #[arg(long)]
    name: Option<String>,
    /// The Debian release.
    #[arg(long)]
    suite: Option<String>,
    /// Packages beside the basic ones.
    #[arg(long, value_delimiter = ',')]
    packages: Option<Vec<String>>,
    /// The host name, if all machines shall have the same.
    #[arg(long)]
    hostname: Option<String>,
    /// A public key that may log in as root, or a file that holds it; may be repeated.
    #[arg(long, value_name = "KEY|FILE")]
    ssh_key: Vec<String>,
    /// How machines get their root.
    #[arg(long, value_enum)]
    mode: Option<ModeName>,
    /// Ask nothing.
    #[arg(short, long)]
    yes: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeName {
    /// Fetched, then run from memory.
    Ram,
    /// Inside the UKI.
    Embed,
}

/// The release that the manual's examples use.
const SUITE: &str = "trixie";

impl Init {
    /// Writes it.
    pub fn run(self) -> Result<(), Failure> {
        let path = self.directory.join(FILE_NAME);
        if path.exists() {
            let text = format!("{} exists already: edit it, or remove it first", path.display());
            return Err(Failure::message(Kind::Usage, text));
        }
        let text = self.template()?.render();
        // What the flags and answers say must be a recipe, before it is written.
        Recipe::parse(&path, &text).map_err(recipe_failure)?;
        std::fs::create_dir_all(&self.directory).or_environment()?;
        let mut file = std::fs::File::create_new(&path).or_environment()?;
        file.write_all(text.as_bytes()).or_environment()?;
        let place = if self.directory == Path::new(".") {
            String::new()
        } else {
            format!(" {}", self.directory.display())
        };
        writeln!(std::io::stdout(), "{} is written; next: bootwright build{place}", path.display())
            .or_environment()
    }

    fn template(&self) -> Result<Template, Failure> {
        let ask = Ask { silent: self.yes || !std::io::stdin().is_terminal() };
        let name = ask.text("Name of the image", self.name.clone(), &self.default_name())?;
        let suite = ask.text("Debian release", self.suite.clone(), SUITE)?;
        let packages = match &self.packages {
            Some(packages) => packages.clone(),
            None => {
                let answer = ask.text("Further packages, separated by spaces", None, "")?;
                answer.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
        };
        let hostname = ask.text("Host name (none: from DHCP)", self.hostname.clone(), "")?;
        let keys = if self.ssh_key.is_empty() {
            vec![ask.text("SSH key for root, or its file (none: nobody logs in)", None, "")?]
        } else {
            self.ssh_key.clone()
        };
        let keys = keys.iter().filter(|key| !key.is_empty()).map(|key| read_key(key));
        let mode = match self.mode {
            Some(ModeName::Ram) => "ram".to_owned(),
            Some(ModeName::Embed) => "embed".to_owned(),
            None => ask.text("Mode, ram (fetched) or embed (inside the UKI)", None, "ram")?,
        };
        Ok(Template {
            name,
            suite,
            packages,
            hostname: Some(hostname).filter(|name| !name.is_empty()),
            ssh_keys: keys.collect::<Result<_, _>>()?,
            mode: mode.parse::<Mode>().map_err(|text| Failure::message(Kind::Usage, text))?,
        })
    }

    fn default_name(&self) -> String {
        let absolute = std::path::absolute(&self.directory).unwrap_or_else(|_| self.directory.clone());
        let name = absolute.file_name().and_then(|name| name.to_str()).filter(|name| is_plain_name(name));
        name.unwrap_or("worker").to_owned()
    }
}

/// The key itself, or that in the file of this name.
fn read_key(key: &str) -> Result<String, Failure> {
    if key.split_whitespace().count() >= 2 {
        return Ok(key.to_owned());
    }
    let text = std::fs::read_to_string(key).map_err(|error| {
        let text =
            format!("{key:?} is neither an SSH key (TYPE BASE64 [COMMENT]) nor a file with one: {error}");
        Failure::message(Kind::Usage, text)
    })?;
    if text.contains("PRIVATE KEY") {
        let text = format!("{key} is a private key: give the public one, usually {key}.pub");
        return Err(Failure::message(Kind::Usage, text));
    }
    Ok(text.trim().to_owned())
}

/// Asks on the terminal what no flag says.
struct Ask {
    silent: bool,
}

impl Ask {
    fn text(&self, question: &str, given: Option<String>, default: &str) -> Result<String, Failure> {
        if let Some(given) = given {
            return Ok(given);
        }
        if self.silent {
            return Ok(default.to_owned());
        }
        let hint = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        eprint!("{question}{hint}: ");
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).or_environment()?;
        let answer = line.trim();
        Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
    }
}
