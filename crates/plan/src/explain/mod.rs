//! All decisions in words, and what was made of every parameter: `bootwright explain cmdline`.

mod parameters;
mod steps;

use serde::Serialize;

use crate::Instructions;
use crate::contradictions;
use crate::network;

/// What the agent would do with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// In the order in which it would do it.
    pub steps: Vec<Step>,
    /// Every parameter, in the order of the line.
    pub parameters: Vec<Parameter>,
    /// What the line contradicts itself in, or cannot have; a sentence each.
    pub contradictions: Vec<String>,
}

impl Explanation {
    /// How many things on the line are wrong: keys that do not exist, values that cannot be used, refusals and
    /// contradictions.
    pub fn faults(&self) -> usize {
        let wrong =
            |parameter: &&Parameter| matches!(parameter.understood, Understood::Wrong | Understood::Unknown);
        let refused = self.steps.iter().filter(|step| step.refused).count();
        self.parameters.iter().filter(wrong).count() + self.contradictions.len() + refused
    }
}

/// One thing that the agent would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// In a word: `network`, `image`, `digest`.
    pub what: &'static str,
    /// In a sentence.
    pub text: String,
    /// Whether the boot ends here.
    pub refused: bool,
}

/// One parameter of the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// As on the line.
    pub parameter: String,
    /// Whether it counts.
    pub understood: Understood,
    /// What it does, or why it does nothing.
    pub text: String,
}

/// What became of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Understood {
    /// The agent does what it says.
    Used,
    /// A later one of the same key counts.
    Overruled,
    /// Not the agent's: the kernel or the system read it.
    NotOurs,
    /// A parameter of another boot system that has no effect here.
    NoEffect,
    /// The agent's, with a value that cannot be used.
    Wrong,
    /// Like one of the agent's, and none.
    Unknown,
}

impl Understood {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Overruled => "overruled",
            Self::NotOurs => "not ours",
            Self::NoEffect => "no effect",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }
}

/// Explains what the agent would do.
pub fn explain(instructions: &Instructions) -> Explanation {
    let network = network::Plan::read(&instructions.line);
    Explanation {
        steps: steps::all(instructions, &network),
        parameters: parameters::all(instructions, &network),
        contradictions: contradictions::find(instructions, &network),
    }
}

#[cfg(test)]
mod tests;
