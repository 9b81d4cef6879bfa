//! The `bootwright.*` parameters.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Cache, CommandLine, Fallback, Offline, Proxy, Rate, Seed, TimeServers};
use crate::Digest;
use crate::manifest::Mode;

/// The prefix of every parameter that is ours.
const PREFIX: &str = "bootwright.";

/// Every key that is understood, without the prefix.
const KEYS: &[&str] = &[
    "image",
    "digest",
    "mode",
    "cache",
    "offline",
    "fallback",
    "overlay",
    "report",
    "peers",
    "seed",
    "upload",
    "ntp",
    "proxy",
    "no_proxy",
    "qr",
    "on_failure",
    "compat",
    "verify",
    "debug",
];

/// What the machine does when it cannot boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureAction {
    /// Try again by rebooting: the default.
    Reboot,
    /// A shell on the console: has to be asked for.
    Shell,
    /// Switch off.
    Poweroff,
}

/// `bootwright.on_failure=reboot|shell|poweroff[,SECONDS]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnFailure {
    /// What to do.
    pub action: FailureAction,
    /// How long to wait before; absent: waits that grow from one reboot to the next.
    pub wait: Option<Duration>,
}

impl Default for OnFailure {
    fn default() -> Self {
        Self { action: FailureAction::Reboot, wait: None }
    }
}

impl FromStr for OnFailure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (action, seconds) = match text.split_once(',') {
            None => (text, None),
            Some((action, seconds)) => (action, Some(seconds)),
        };
        let action = match action {
            "reboot" => FailureAction::Reboot,
            "shell" => FailureAction::Shell,
            "poweroff" => FailureAction::Poweroff,
            other => return Err(format!("unknown action {other:?}: reboot, shell or poweroff")),
        };
        let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is not a number of seconds"));
        let wait = seconds.map(number).transpose()?.map(Duration::from_secs);
        Ok(Self { action, wait })
    }
}

/// The `bootwright.*` parameters of a command line, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootOptions {
    /// `image=URL`: the URL of `image.json`, or of a single file.
    pub image: Option<String>,
    /// `digest=sha256:…`: digest of the root manifest, or of the single file that `image` names.
    pub digest: Option<Digest>,
    /// `mode=embed|ram|stream|disk`.
    pub mode: Option<Mode>,
    /// `cache=WORD[,WORD…]`: where roots are kept from one boot to the next.
    pub cache: Cache,
    /// `offline=off|TIME`: whether what is kept boots when the origin is gone.
    pub offline: Offline,
    /// `fallback=off|DIGEST[,DIGEST…]`: what may boot when the image has failed; `None` when nobody says.
    pub fallback: Option<Fallback>,
    /// `overlay=SIZE`: upper limit of the writable layer in tmpfs(5)'s notation (`2G`, `50%`).
    pub overlay: Option<String>,
    /// `report=URL`: where events are posted; default: the server the image came from.
    pub report: Option<String>,
    /// `peers=off`: nothing is taken from other machines and nothing given to them.
    pub peers_off: bool,
    /// `seed=off|LIFETIME`.
    pub seed: Seed,
    /// `upload=RATE`: the most that other machines are given.
    pub upload: Option<Rate>,
    /// `ntp=off|SERVER,…`.
    pub ntp: TimeServers,
    /// `proxy=off|http://HOST:PORT`.
    pub proxy: Option<Proxy>,
    /// `no_proxy=HOST,…`: hosts that are asked directly.
    pub no_proxy: Option<String>,
    /// `qr`: the short form of a failure as a code that a telephone reads.
    pub qr: bool,
    /// `on_failure=`.
    pub on_failure: OnFailure,
    /// `compat=aria2`: the generic names of aria2-initrd (`url=` …) count.
    pub compat_aria2: bool,
    /// `verify=off`: what `compat=aria2` fetches without a digest is started even by an initrd with a pin.
    pub verify_off: bool,
    /// `debug`: tell everything on the console.
    pub debug: bool,
}

/// A `bootwright.*` parameter that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionError {
    /// The key as written.
    pub key: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// No such key; the nearest one that exists.
    Unknown {
        /// A known key within two letters, if any.
        nearest: Option<&'static str>,
    },
    /// The value does not parse.
    Value(String),
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Unknown { nearest: Some(nearest) } => {
                write!(f, "unknown parameter {}: did you mean {PREFIX}{nearest}?", self.key)
            }
            Problem::Unknown { nearest: None } => {
                write!(f, "unknown parameter {}: known are {}", self.key, KEYS.join(", "))
            }
            Problem::Value(problem) => write!(f, "{}: {problem}", self.key),
        }
    }
}

impl std::error::Error for OptionError {}

impl BootOptions {
    /// Reads the parameters that are ours. Those that cannot be used come back beside what could:
    /// `build` and `serve` refuse them, the agent warns, so that a newer server does not brick it.
    pub fn read(line: &CommandLine) -> (Self, Vec<OptionError>) {
        let mut options = Self::default();
        let mut errors = Vec::new();
        for parameter in &line.parameters {
            let plain = parameter.key.replace('-', "_");
            let Some(key) = plain.strip_prefix(PREFIX) else { continue };
            let value = parameter.value.as_deref();
            if let Err(problem) = options.set(key, value) {
                errors.push(OptionError { key: parameter.key.clone(), problem });
            }
        }
        (options, errors)
    }

    fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), Problem> {
        let text = || match value {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(Problem::Value("a value is missing".into())),
        };
        match key {
            "image" => self.image = Some(text()?.to_owned()),
            "digest" => self.digest = Some(parse(text()?)?),
            "mode" => self.mode = Some(parse(text()?)?),
            "cache" => self.cache = parse(text()?)?,
            "offline" => self.offline = parse(text()?)?,
            "fallback" => self.fallback = Some(parse(text()?)?),
            "overlay" => self.overlay = Some(overlay_size(text()?)?),
            "report" => self.report = Some(text()?.to_owned()),
            "peers" => self.peers_off = !switch(Some(text()?))?,
            "seed" => self.seed = parse(text()?)?,
            "upload" => self.upload = Some(parse(text()?)?),
            "ntp" => self.ntp = parse(text()?)?,
            "proxy" => self.proxy = Some(parse(text()?)?),
            "no_proxy" => self.no_proxy = Some(text()?.to_owned()),
            "qr" => self.qr = switch(value)?,
            "on_failure" => self.on_failure = parse(text()?)?,
            "compat" if text()? == "aria2" => self.compat_aria2 = true,
            "compat" => return Err(Problem::Value("only aria2 is known".into())),
            "verify" => self.verify_off = !switch(Some(text()?))?,
            "debug" => self.debug = switch(value)?,
            unknown => return Err(Problem::Unknown { nearest: nearest(unknown) }),
        }
        Ok(())
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| Problem::Value(error.to_string()))
}

fn switch(value: Option<&str>) -> Result<bool, Problem> {
    match value {
        None | Some("1" | "yes" | "on") => Ok(true),
        Some("0" | "no" | "off") => Ok(false),
        Some(other) => Err(Problem::Value(format!("{other:?} is neither on nor off"))),
    }
}

/// tmpfs(5): a number with an optional `k`, `m`, `g` or `%`.
fn overlay_size(text: &str) -> Result<String, Problem> {
    let digits = text.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G', '%']);
    if text.len() - digits.len() > 1 || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Problem::Value(format!("{text:?} is no size: write 512M, 2G or 50%")));
    }
    Ok(text.to_owned())
}

/// The known key that takes the fewest changed letters, if two suffice.
fn nearest(key: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|known| (distance(known.as_bytes(), key.as_bytes()), *known))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein's edit distance: how many letters have to be changed, added or left out.
pub fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let here = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (BootOptions, Vec<OptionError>) {
        BootOptions::read(&CommandLine::parse(line))
    }

    #[test]
    fn every_known_key_is_read() {
        let (options, errors) = read(
            "quiet bootwright.image=http://10.0.0.1/images/a/image.json bootwright.mode=ram \
             bootwright.overlay=50% bootwright.on-failure=shell,30 bootwright.compat=aria2 \
             bootwright.verify=off bootwright.peers=off bootwright.seed=2h bootwright.upload=20M \
             bootwright.ntp=10.0.0.1 bootwright.proxy=http://p:3128 bootwright.no_proxy=.lab bootwright.qr \
             bootwright.debug",
        );
        assert_eq!(errors, []);
        assert_eq!(options.mode, Some(Mode::Ram));
        let wait = Some(Duration::from_secs(30));
        assert_eq!(options.on_failure, OnFailure { action: FailureAction::Shell, wait });
        assert!(options.compat_aria2 && options.verify_off && options.debug);
        assert!(options.peers_off && options.qr);
        assert_eq!(options.ntp, TimeServers::Named(vec!["10.0.0.1".into()]));
        assert_eq!(options.seed, Seed::For(Duration::from_secs(7200)));
        assert_eq!(options.upload, Some(Rate(20 << 20)));
        assert!(!read("bootwright.verify=on").0.verify_off);
        assert_eq!(read("bootwright.verify").1.len(), 1, "to switch it off takes a word");
    }

    #[test]
    fn a_slip_of_the_pen_is_told_with_the_nearest_key() {
        let (_, errors) = read("bootwright.imgae=x");
        assert_eq!(
            errors[0].to_string(),
            "unknown parameter bootwright.imgae: did you mean bootwright.image?"
        );
        let (_, errors) = read("bootwright.frobnicate");
        assert_eq!(errors[0].problem, Problem::Unknown { nearest: None });
    }

    #[test]
    fn a_value_that_does_not_parse_is_an_error_and_the_rest_still_counts() {
        let (options, errors) = read("bootwright.mode=rum bootwright.overlay=5T bootwright.report=http://r/");
        assert_eq!(errors.len(), 2);
        assert_eq!(options.report.as_deref(), Some("http://r/"));
    }

    #[test]
    fn every_listed_key_is_understood() {
        for key in KEYS {
            let result = BootOptions::default().set(key, Some("1"));
            assert!(!matches!(result, Err(Problem::Unknown { .. })), "{key}");
        }
    }
}
