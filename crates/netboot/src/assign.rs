//! Which machine boots which image, and which machines are answered at all.

use std::fmt;
use std::str::FromStr;

use crate::arch::{Cpu, Firmware};
use crate::machine::{Facts, Mac, Uuid};

/// An image that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name, part of URLs and TFTP paths.
    pub name: String,
    /// What it runs on; `None` when the manifest does not say anything known.
    pub cpu: Option<Cpu>,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The address of the card.
    Mac(Mac),
    /// The SMBIOS UUID.
    Uuid(Uuid),
    /// The instruction set: `x86_64`, `aarch64`, …
    Cpu(Cpu),
    /// The firmware: `bios` or `uefi`.
    Firmware(Firmware),
}

/// `KEY=IMAGE`: machines that match the key boot that image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which machines.
    pub key: Key,
    /// The name of an image.
    pub image: String,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// No `=`.
    #[error("the rule {0:?} has no \"=\": write KEY=IMAGE, with a MAC, a UUID or an architecture for KEY")]
    Form(String),
    /// The part before `=`.
    #[error("the rule {0:?} is for no MAC, UUID, architecture (x86_64, aarch64, …), \"bios\" or \"uefi\"")]
    Key(String),
    /// The part after `=`.
    #[error("the rule for {key} names the image {image:?}, which is not among those served")]
    Image {
        /// Which machines.
        key: Key,
        /// The name.
        image: String,
    },
    /// Nothing to serve.
    #[error("there is no image to serve: name at least one")]
    NoImage,
    /// Two images of one name.
    #[error("two images are named {0:?}: rename one of their directories")]
    Twice(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => mac.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Cpu(cpu) => cpu.fmt(f),
            Self::Firmware(Firmware::Bios) => f.write_str("bios"),
            Self::Firmware(_) => f.write_str("uefi"),
        }
    }
}

impl FromStr for Rule {
    type Err = RulesError;

    fn from_str(text: &str) -> Result<Self, RulesError> {
        let (key, image) = text.split_once('=').ok_or_else(|| RulesError::Form(text.to_owned()))?;
        let parsed = match key {
            "bios" => Some(Key::Firmware(Firmware::Bios)),
            "uefi" => Some(Key::Firmware(Firmware::Uefi)),
            _ => {
                let mac = key.parse().ok().map(Key::Mac);
                mac.or_else(|| key.parse().ok().map(Key::Uuid)).or_else(|| key.parse().ok().map(Key::Cpu))
            }
        };
        let key = parsed.ok_or_else(|| RulesError::Key(text.to_owned()))?;
        Ok(Self { key, image: image.to_owned() })
    }
}

/// All rules together; it exists only when each of them names an image that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    images: Vec<Image>,
    rules: Vec<Rule>,
    allow: Vec<Mac>,
}

/// The image for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The image.
    pub image: &'a Image,
    /// How it came to be chosen.
    pub by: ChosenBy,
}

/// How an image came to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// The machine's agent is of that image.
    Agent,
    /// A rule for this one machine: there is nothing to ask a person.
    Machine,
    /// A rule for its kind.
    Kind,
    /// No rule: the first image that it can run.
    Default,
}

/// Why a machine gets no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is a list of allowed machines, and it is not on it.
    #[error("not on the list of allowed machines (--allow)")]
    NotAllowed,
    /// The image is for other machines.
    #[error("image {image} is for {wanted}, the machine is {machine}")]
    Architecture {
        /// The image.
        image: String,
        /// What the image is for.
        wanted: Cpu,
        /// What the machine is.
        machine: Cpu,
    },
    /// Only single files are served.
    #[error("no image that boots is served here")]
    NothingToBoot,
    /// An agent asks for an image by name.
    #[error("its image {0:?} is not served here")]
    NotServed(String),
}

impl Rules {
    /// `images` in the order of preference; `rules` are tried from the most to the least specific:
    /// MAC, UUID, architecture, firmware. With an empty `allow` every machine is allowed.
    pub fn new(images: Vec<Image>, rules: Vec<Rule>, allow: Vec<Mac>) -> Result<Self, RulesError> {
        let has = |name: &str| images.iter().filter(|image| image.name == name).count();
        if images.is_empty() {
            return Err(RulesError::NoImage);
        }
        if let Some(image) = images.iter().find(|image| has(&image.name) > 1) {
            return Err(RulesError::Twice(image.name.clone()));
        }
        if let Some(rule) = rules.iter().find(|rule| has(&rule.image) == 0) {
            return Err(RulesError::Image { key: rule.key, image: rule.image.clone() });
        }
        Ok(Self { images, rules, allow })
    }

    /// No image at all, for a server of other things: every machine is refused.
    pub fn nothing(allow: Vec<Mac>) -> Self {
        Self { images: Vec::new(), rules: Vec::new(), allow }
    }

    /// The images, first the default.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// Whether this machine is answered at all.
    pub fn allows(&self, mac: Mac) -> bool {
        self.allow.is_empty() || self.allow.contains(&mac)
    }

    /// The image for the machine that asks.
    pub fn choose(&self, facts: &Facts) -> Result<Choice<'_>, Refusal> {
        if !self.allows(facts.machine.mac) {
            return Err(Refusal::NotAllowed);
        }
        if facts.asker == crate::machine::Asker::Agent
            && let Some(name) = &facts.user_class
        {
            let image = self.images.iter().find(|image| image.name == *name);
            let image = image.ok_or_else(|| Refusal::NotServed(name.clone()))?;
            return Ok(Choice { image, by: ChosenBy::Agent });
        }
        let choice = self.by_rule(facts).or_else(|| self.by_default(facts));
        let Some(choice) =
            choice.or_else(|| self.images.first().map(|image| Choice { image, by: ChosenBy::Default }))
        else {
            return Err(Refusal::NothingToBoot);
        };
        match (choice.image.cpu, facts.cpu()) {
            (Some(wanted), Some(machine)) if !machine.runs(wanted, facts.firmware()) => {
                Err(Refusal::Architecture { image: choice.image.name.clone(), wanted, machine })
            }
            _ => Ok(choice),
        }
    }

    fn by_rule(&self, facts: &Facts) -> Option<Choice<'_>> {
        let rank = |key: &Key| match key {
            Key::Mac(mac) => (*mac == facts.machine.mac).then_some((0, ChosenBy::Machine)),
            Key::Uuid(uuid) => {
                facts.machine.uuid.filter(|own| own.same(uuid)).map(|_| (1, ChosenBy::Machine))
            }
            Key::Cpu(cpu) => (facts.cpu() == Some(*cpu)).then_some((2, ChosenBy::Kind)),
            Key::Firmware(firmware) => {
                let bios = facts.firmware() == Firmware::Bios;
                (facts.known().is_some() && bios == (*firmware == Firmware::Bios))
                    .then_some((3, ChosenBy::Kind))
            }
        };
        let matching =
            self.rules.iter().filter_map(|rule| rank(&rule.key).map(|(rank, by)| (rank, by, rule)));
        let (_, by, rule) = matching.min_by_key(|(rank, ..)| *rank)?;
        let image = self.images.iter().find(|image| image.name == rule.image)?;
        Some(Choice { image, by })
    }

    fn by_default(&self, facts: &Facts) -> Option<Choice<'_>> {
        let runs = |image: &&Image| match (facts.cpu(), image.cpu) {
            (Some(machine), Some(image)) => machine.runs(image, facts.firmware()),
            _ => true,
        };
        self.images.iter().find(runs).map(|image| Choice { image, by: ChosenBy::Default })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Architecture;
    use crate::machine::{Asker, Machine};

    fn facts(mac: &str, architecture: u16) -> Facts {
        Facts {
            machine: Machine { mac: mac.parse().unwrap(), uuid: None },
            asker: Asker::Pxe,
            architectures: vec![Architecture(architecture)],
            vendor_class: None,
            user_class: None,
        }
    }

    fn image(name: &str, cpu: Cpu) -> Image {
        Image { name: name.into(), cpu: Some(cpu) }
    }

    fn rules(rules: &[&str], allow: &[&str]) -> Rules {
        let images = vec![image("a", Cpu::X86_64), image("b", Cpu::X86_64), image("c", Cpu::Aarch64)];
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Rules::new(images, rules, allow.iter().map(|mac| mac.parse().unwrap()).collect()).unwrap()
    }

    const M: &str = "52:54:00:00:00:01";

    #[test]
    fn the_first_image_that_the_machine_can_run_is_the_default() {
        let rules = rules(&[], &[]);
        assert_eq!(rules.choose(&facts(M, 7)).unwrap().image.name, "a");
        assert_eq!(rules.choose(&facts(M, 0)).unwrap().image.name, "a");
        assert_eq!(rules.choose(&facts(M, 0x13)).unwrap().image.name, "c");
    }

    #[test]
    fn the_most_specific_rule_wins_whatever_the_order() {
        let rules = rules(&["uefi=a", "x86_64=a", "52:54:00:00:00:01=b"], &[]);
        let choice = rules.choose(&facts(M, 7)).unwrap();
        assert_eq!((choice.image.name.as_str(), choice.by), ("b", ChosenBy::Machine));
        assert_eq!(rules.choose(&facts("52:54:00:00:00:02", 7)).unwrap().by, ChosenBy::Kind);
    }

    #[test]
    fn a_rule_for_a_uuid_holds_in_either_byte_order() {
        let rules = rules(&["00112233-4455-6677-8899-aabbccddeeff=b"], &[]);
        let mut asks = facts(M, 7);
        asks.machine.uuid = "33221100-5544-7766-8899-aabbccddeeff".parse().ok();
        assert_eq!(rules.choose(&asks).unwrap().image.name, "b");
    }

    #[test]
    fn an_image_for_another_processor_is_refused_at_once() {
        let refusal = rules(&["52:54:00:00:00:01=c"], &[]).choose(&facts(M, 7)).unwrap_err();
        assert_eq!(refusal.to_string(), "image c is for aarch64, the machine is x86_64");
    }

    #[test]
    fn a_machine_that_is_not_on_the_list_gets_nothing() {
        let rules = rules(&[], &["52:54:00:00:00:02"]);
        assert_eq!(rules.choose(&facts(M, 7)).unwrap_err(), Refusal::NotAllowed);
        assert!(rules.choose(&facts("52:54:00:00:00:02", 7)).is_ok());
    }

    #[test]
    fn an_agent_gets_its_own_image_or_a_clear_refusal() {
        let mut asks = facts(M, 7);
        (asks.asker, asks.user_class, asks.architectures) = (Asker::Agent, Some("b".into()), vec![]);
        assert_eq!(rules(&[], &[]).choose(&asks).unwrap().image.name, "b");
        asks.user_class = Some("gone".into());
        assert_eq!(rules(&[], &[]).choose(&asks).unwrap_err(), Refusal::NotServed("gone".into()));
    }

    #[test]
    fn rules_that_cannot_hold_are_errors_that_name_themselves() {
        assert!(matches!("x86_64".parse::<Rule>(), Err(RulesError::Form(_))));
        assert!(matches!("pdp11=a".parse::<Rule>(), Err(RulesError::Key(_))));
        let rule = "bios=z".parse().unwrap();
        let error = Rules::new(vec![image("a", Cpu::X86_64)], vec![rule], vec![]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the rule for bios names the image \"z\", which is not among those served"
        );
        assert_eq!(Rules::new(vec![], vec![], vec![]).unwrap_err(), RulesError::NoImage);
    }
}
