//! What is told of one thing: the typed answer that the command line prints and `--json` writes.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// One thing in the tree: a file, a partition, a section, a file system.
#[derive(Debug, Clone, Serialize)]
pub struct Node {
    /// The step of the address that leads here from the node above; `None` for the top, and for what lies
    /// at the same address as the node above (the disk in a qcow2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is, as one word for programs: `ext4`, `uki`, `gpt`.
    pub kind: &'static str,
    /// What it is, for people.
    pub what: String,
    /// Where it starts in the bytes of the node above, where it lies in one piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Bytes.
    pub size: u64,
    /// What else is known of it.
    #[serde(skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
    /// On which firmware and how it boots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub boots: Vec<Boot>,
    /// What a machine must have to use it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What is inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
    /// How many more things are inside that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A way in which it boots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Boot {
    /// Who starts it.
    pub firmware: Firmware,
    /// The processor, in the word that Linux uses: `x86_64`, `aarch64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// What is started: a path, a boot record, the file itself.
    pub starts: String,
}

/// Who starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// UEFI.
    Uefi,
    /// PC BIOS.
    Bios,
    /// U-Boot.
    UBoot,
    /// An Android boot loader.
    Android,
    /// A boot loader or hypervisor that takes kernel and initrd as files.
    Loader,
}

impl std::fmt::Display for Firmware {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Uefi => "UEFI",
            Self::Bios => "BIOS",
            Self::UBoot => "U-Boot",
            Self::Android => "Android boot loader",
            Self::Loader => "a boot loader",
        })
    }
}

/// How bad it is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Some machines or programs will mind.
    Warning,
    /// It is broken, or does not boot.
    Error,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where, in bytes from the start of the node's own bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    #[serde(rename = "do", skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// Named values, in the order in which they are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(pub Vec<(&'static str, Value)>);

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Words.
    Text(String),
    /// A count.
    Number(u64),
    /// Bytes: told to people with a unit.
    Size(u64),
    /// A time, in seconds since 1970.
    Time(u64),
    /// Yes or no.
    Flag(bool),
    /// Several words.
    List(Vec<String>),
}

impl Facts {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The text of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(&name.replace(' ', "_"), value)?;
        }
        map.end()
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Size(bytes) => f.write_str(&size_text(*bytes)),
            Self::Time(seconds) => f.write_str(&date(*seconds)),
            Self::Flag(true) => f.write_str("yes"),
            Self::Flag(false) => f.write_str("no"),
            Self::List(words) => {
                let single = words.iter().all(|word| !word.contains(' '));
                f.write_str(&words.join(if single { " " } else { "; " }))
            }
        }
    }
}

/// The day in UTC, as `2026-11-20`. Days are counted in years that begin in March, so that a leap day is
/// the last of its year, and in eras of 400 years, which all have 146 097 days.
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + later)
}

/// Bytes for people: `8 GiB`, `60.2 MiB`, `512 bytes`.
pub fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} {}", if bytes == 1 { "byte" } else { "bytes" });
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let text = format!("{value:.1}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS.get(unit).unwrap_or(&""))
}

impl Node {
    /// A thing of that kind of which only the size is known.
    pub fn new(kind: &'static str, what: impl Into<String>, size: u64) -> Self {
        Self {
            name: None,
            kind,
            what: what.into(),
            offset: None,
            size,
            facts: Facts::default(),
            boots: Vec::new(),
            needs: Vec::new(),
            problems: Vec::new(),
            children: Vec::new(),
            left_out: 0,
        }
    }

    /// Notes a text, unless it is empty.
    pub fn text(&mut self, name: &'static str, text: impl Into<String>) -> &mut Self {
        let text = text.into();
        if !text.is_empty() {
            self.facts.0.push((name, Value::Text(text)));
        }
        self
    }

    /// Notes a count.
    pub fn number(&mut self, name: &'static str, number: impl Into<u64>) -> &mut Self {
        self.facts.0.push((name, Value::Number(number.into())));
        self
    }

    /// Notes a number of bytes.
    pub fn bytes(&mut self, name: &'static str, bytes: impl Into<u64>) -> &mut Self {
        self.facts.0.push((name, Value::Size(bytes.into())));
        self
    }

    /// Notes a time, in seconds since 1970.
    pub fn time(&mut self, name: &'static str, seconds: impl Into<u64>) -> &mut Self {
        self.facts.0.push((name, Value::Time(seconds.into())));
        self
    }

    /// Notes yes or no.
    pub fn flag(&mut self, name: &'static str, flag: bool) -> &mut Self {
        self.facts.0.push((name, Value::Flag(flag)));
        self
    }

    /// Notes several words, unless there are none.
    pub fn list(&mut self, name: &'static str, words: Vec<String>) -> &mut Self {
        if !words.is_empty() {
            self.facts.0.push((name, Value::List(words)));
        }
        self
    }

    /// Notes what a machine must have.
    pub fn needs(&mut self, what: impl Into<String>) -> &mut Self {
        self.needs.push(what.into());
        self
    }

    /// Notes a way to boot.
    pub fn boots(&mut self, firmware: Firmware, architecture: Option<&str>, starts: impl Into<String>) {
        let architecture = architecture.map(str::to_owned);
        let boot = Boot { firmware, architecture, starts: starts.into() };
        if !self.boots.contains(&boot) {
            self.boots.push(boot);
        }
    }

    /// Notes a fault. `remedy` says what to do.
    pub fn problem(
        &mut self,
        severity: Severity,
        offset: impl Into<Option<u64>>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (what, remedy) = (what.into(), remedy.into());
        self.problems.push(Problem { severity, offset: offset.into(), what, remedy });
    }

    /// Every problem in the tree with the address of its node, `/` between the steps.
    pub fn all_problems(&self) -> Vec<(String, &Problem)> {
        let mut found = Vec::new();
        self.collect(String::new(), &mut found);
        found.sort_by_key(|(_, problem)| std::cmp::Reverse(problem.severity));
        found
    }

    fn collect<'a>(&'a self, address: String, found: &mut Vec<(String, &'a Problem)>) {
        found.extend(self.problems.iter().map(|problem| (address.clone(), problem)));
        for child in &self.children {
            let address = match &child.name {
                None => address.clone(),
                Some(name) if address.is_empty() => name.clone(),
                Some(name) => format!("{address}/{name}"),
            };
            child.collect(address, found);
        }
    }

    /// The first node of the tree that `wanted` accepts, this one included.
    pub fn find(&self, wanted: &dyn Fn(&Self) -> bool) -> Option<&Self> {
        if wanted(self) {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_with_a_unit_and_without_needless_zeros() {
        let texts = [0, 1, 1023, 1024, 1536, 1 << 20, 8 << 30, (1 << 30) - 1].map(size_text);
        let expected = ["0 bytes", "1 byte", "1023 bytes", "1 KiB", "1.5 KiB", "1 MiB", "8 GiB", "1 GiB"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn times_are_told_as_days() {
        let days = [0, 951_782_399, 951_782_400, 1_795_190_396, 4_107_542_399].map(date);
        assert_eq!(days, ["1970-01-01", "2000-02-28", "2000-02-29", "2026-11-20", "2100-02-28"]);
    }

    #[test]
    fn the_worst_problem_of_the_tree_comes_first_with_its_address() {
        let mut top = Node::new("gpt", "GPT", 0);
        top.problem(Severity::Note, None, "a", "");
        let mut part = Node::new("fat", "FAT", 0);
        part.name = Some("2".into());
        let mut file = Node::new("pe", "PE", 0);
        file.name = Some("EFI/x".into());
        file.problem(Severity::Error, 7, "b", "");
        part.children.push(file);
        top.children.push(part);
        let all: Vec<_> = top.all_problems().iter().map(|(at, p)| (at.clone(), p.what.clone())).collect();
        assert_eq!(all, [("2/EFI/x".into(), "b".into()), (String::new(), "a".into())]);
    }
}
