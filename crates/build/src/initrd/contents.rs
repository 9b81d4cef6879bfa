//! `/bootwright/initrd.json`: what is in an initrd and why, as `bootwright initrd explain` tells it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where it lies in the initrd.
pub const PATH: &str = "/bootwright/initrd.json";

/// What an initrd holds and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Version of this format: 1.
    pub schema: u32,
    /// `uname -r` of the kernel.
    pub kernel: String,
    /// The profile's name.
    pub profile: String,
    /// Every file but this one, sorted by path.
    pub files: Vec<FileReason>,
    /// What was asked for and needs no file, since the kernel has it built in.
    pub built_in: Vec<NameReason>,
    /// What the rules would have taken, had the kernel had it.
    pub absent: Vec<NameReason>,
    /// Firmware that modules in here may ask for and that was not found.
    pub missing_firmware: Vec<MissingFirmware>,
}

/// A file, and why it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReason {
    /// Absolute path in the initrd.
    pub path: String,
    /// Why it is in.
    pub why: Why,
}

/// A module that is no file, and why it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameReason {
    /// The module.
    pub name: String,
    /// Why it was asked for.
    pub why: Why,
}

/// Firmware that was not found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFirmware {
    /// Relative to `/lib/firmware`.
    pub file: String,
    /// The modules that may ask for it.
    pub modules: Vec<String>,
}

/// Why something is in an initrd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Why {
    /// A rule of the profile.
    Profile {
        /// What for.
        reason: String,
    },
    /// Hardware of the machine it was built for.
    Hardware {
        /// What for.
        reason: String,
        /// The device's modalias.
        modalias: String,
    },
    /// Whoever built it asked for it.
    Requested {
        /// What for.
        reason: String,
    },
    /// A module does not load without it.
    Dependency {
        /// That module, the first of several.
        of: String,
        /// How many further modules need it.
        #[serde(default, skip_serializing_if = "is_zero")]
        others: usize,
    },
    /// A module names it as a soft dependency.
    SoftDependency {
        /// That module.
        of: String,
        /// The name it uses, when it is not the module's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alias: Option<String>,
    },
    /// A module may ask for this firmware.
    Firmware {
        /// That module, the first of several.
        of: String,
        /// How many further modules may ask for it.
        #[serde(default, skip_serializing_if = "is_zero")]
        others: usize,
    },
    /// A part of every initrd.
    Part {
        /// What for.
        reason: String,
    },
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Why {
    /// A part of every initrd, for that reason.
    pub fn part(reason: &str) -> Self {
        Self::Part { reason: reason.to_owned() }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = |f: &mut fmt::Formatter<'_>, others: usize| match others {
            0 => Ok(()),
            others => write!(f, " and {others} more"),
        };
        match self {
            Self::Profile { reason } | Self::Part { reason } => f.write_str(reason),
            Self::Requested { reason } => write!(f, "asked for: {reason}"),
            Self::Hardware { reason, modalias } => write!(f, "{reason}: {modalias}"),
            Self::Dependency { of, others } => {
                write!(f, "needed by {of}")?;
                more(f, *others)
            }
            Self::SoftDependency { of, alias: None } => write!(f, "soft dependency of {of}"),
            Self::SoftDependency { of, alias: Some(alias) } => {
                write!(f, "soft dependency of {of}, as {alias}")
            }
            Self::Firmware { of, others } => {
                write!(f, "firmware of {of}")?;
                more(f, *others)
            }
        }
    }
}
