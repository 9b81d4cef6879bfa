//! systemd units: what `systemctl enable` and `systemctl mask` do, without systemd. See
//! systemd.unit(5), "[Install] Section Options".

use std::collections::HashSet;

use super::ChangeError;
use crate::tree::{EditError, Inode, Kind, Tree, TreePath};

/// Where the administrator's links go.
const ETC: &str = "/etc/systemd/system";
/// Where unit files are, the first found counts.
const UNIT_PATH: &[&str] =
    &[ETC, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Makes the unit impossible to start.
pub(super) fn mask(tree: &mut Tree, unit: &str, mtime: u64) -> Result<(), ChangeError> {
    let path = path(&format!("{ETC}/{unit}"))?;
    tree.remove(&path);
    tree.put_link(&path, "/dev/null", mtime)?;
    Ok(())
}

/// Makes the links that the unit's [Install] section asks for, and those of the units under `Also=`.
pub(super) fn enable(tree: &mut Tree, unit: &str, mtime: u64) -> Result<(), ChangeError> {
    let mut left = vec![unit.to_owned()];
    let mut done = HashSet::new();
    while let Some(unit) = left.pop() {
        if !done.insert(unit.clone()) {
            continue;
        }
        let name = Name::parse(&unit);
        let (file, text) = find(tree, &name)?.ok_or_else(|| ChangeError::UnknownUnit(unit.clone()))?;
        let install = Install::parse(&text, &name);
        if install.is_empty() {
            return Err(ChangeError::NotInstallable(unit));
        }
        let linked = match (&name.instance, name.is_template, install.default_instance) {
            (None, true, Some(instance)) => name.with_instance(&instance),
            _ => unit.clone(),
        };
        for (target, kind) in &install.wanted_by {
            put(tree, &format!("{ETC}/{target}.{kind}/{linked}"), &file, mtime)?;
        }
        for alias in install.aliases.iter().filter(|alias| **alias != unit) {
            put(tree, &format!("{ETC}/{alias}"), &file, mtime)?;
        }
        left.extend(install.also);
    }
    Ok(())
}

fn put(tree: &mut Tree, link: &str, file: &TreePath, mtime: u64) -> Result<(), ChangeError> {
    tree.put_link(&path(link)?, &file.to_string(), mtime)?;
    Ok(())
}

/// The unit's file, a template's for an instance, and its text.
fn find(tree: &Tree, name: &Name) -> Result<Option<(TreePath, String)>, ChangeError> {
    let candidates = [Some(name.full.clone()), name.instance.as_ref().map(|_| name.template())];
    for file in candidates.into_iter().flatten() {
        for directory in UNIT_PATH {
            let path = path(&format!("{directory}/{file}"))?;
            let resolved = tree.resolve(&path)?;
            if let Some(Inode { kind: Kind::File(_), .. }) = tree.get(&resolved) {
                let text = tree.read(&resolved)?.unwrap_or_default();
                return Ok(Some((path, String::from_utf8_lossy(&text).into_owned())));
            }
        }
    }
    Ok(None)
}

fn path(text: &str) -> Result<TreePath, EditError> {
    Ok(text.parse()?)
}

/// A unit's name taken apart: `getty@tty1.service` is prefix `getty`, instance `tty1`, type `service`.
struct Name {
    full: String,
    prefix: String,
    instance: Option<String>,
    is_template: bool,
    kind: String,
}

impl Name {
    fn parse(full: &str) -> Self {
        let (stem, kind) = full.rsplit_once('.').unwrap_or((full, ""));
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance)),
            None => (stem, None),
        };
        Self {
            full: full.to_owned(),
            prefix: prefix.to_owned(),
            is_template: instance.is_some(),
            instance: instance.filter(|instance| !instance.is_empty()).map(str::to_owned),
            kind: kind.to_owned(),
        }
    }

    fn template(&self) -> String {
        format!("{}@.{}", self.prefix, self.kind)
    }

    fn with_instance(&self, instance: &str) -> String {
        format!("{}@{instance}.{}", self.prefix, self.kind)
    }

    /// The specifiers that make sense in [Install].
    fn expand(&self, text: &str) -> String {
        let instance = self.instance.as_deref().unwrap_or_default();
        let bare = self.full.strip_suffix(&format!(".{}", self.kind)).unwrap_or(&self.full);
        let pairs = [("%i", instance), ("%p", &self.prefix), ("%n", &self.full), ("%N", bare)];
        pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

/// What an [Install] section says.
#[derive(Default)]
struct Install {
    /// Targets and the kind of their directory, `wants`, `requires` or `upholds`.
    wanted_by: Vec<(String, &'static str)>,
    aliases: Vec<String>,
    also: Vec<String>,
    default_instance: Option<String>,
}

impl Install {
    fn parse(text: &str, name: &Name) -> Self {
        let mut install = Self::default();
        let mut inside = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line == "[Install]";
            }
            let Some((key, value)) = line.split_once('=').filter(|_| inside && !line.starts_with(['#', ';']))
            else {
                continue;
            };
            let value = name.expand(value.trim());
            // A value that is a path or leads elsewhere is no unit.
            let words = value.split_whitespace().filter(|word| !word.contains('/')).map(str::to_owned);
            match key.trim() {
                "WantedBy" => install.wanted_by.extend(words.map(|word| (word, "wants"))),
                "RequiredBy" => install.wanted_by.extend(words.map(|word| (word, "requires"))),
                "UpheldBy" => install.wanted_by.extend(words.map(|word| (word, "upholds"))),
                "Alias" => install.aliases.extend(words),
                "Also" => install.also.extend(words),
                "DefaultInstance" => install.default_instance = Some(value),
                _ => {}
            }
        }
        install
    }

    fn is_empty(&self) -> bool {
        self.wanted_by.is_empty() && self.aliases.is_empty() && self.also.is_empty()
    }
}
