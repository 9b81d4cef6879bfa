//! Mode `disk`: where roots are kept, and which of them may boot.

use bootwright_image::Digest;
use bootwright_image::cmdline::{
    BootOptions, Cache, CacheCheck, CacheCreate, CachePlace, CommandLine, Fallback, Offline,
};

use crate::Instructions;

/// What the machine does with its cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Where it is, and what may be done to have one.
    pub cache: Cache,
    /// Whether what lies in it boots without the origin.
    pub offline: Offline,
    /// Root manifests of other images, of which one that was good may boot when this one has failed.
    pub fallback: Vec<Digest>,
    /// The line names other images than the initrd does, and those do not count.
    pub overruled: bool,
}

impl Terms {
    /// What the instructions say. Which images may boot in place of the pinned one says the build alone, as it says
    /// which one is pinned: the line may only switch it off.
    pub fn of(instructions: &Instructions) -> Self {
        let Instructions { options, pin, .. } = instructions;
        let (cache, offline) = (options.cache.clone(), options.offline);
        let said = options.fallback.clone();
        let Some(pin) = pin else {
            let fallback = said.unwrap_or_default().0;
            return Self { cache, offline, fallback, overruled: false };
        };
        let (built, _) = BootOptions::read(&CommandLine::parse(&pin.cmdline));
        let built = built.fallback.unwrap_or_default();
        match said {
            Some(Fallback(none)) if none.is_empty() => {
                Self { cache, offline, fallback: none, overruled: false }
            }
            said => {
                let overruled = said.is_some_and(|said| said != built);
                Self { cache, offline, fallback: built.0, overruled }
            }
        }
    }

    /// Where the cache is, what may be made of a disk, and what is looked at, in a sentence.
    pub fn describe_cache(&self) -> String {
        let place = match &self.cache.place {
            CachePlace::Type => "the partition that has the type of caches".to_owned(),
            CachePlace::Label(label) => format!("the partition with the label {label}"),
            CachePlace::Guid(guid) => format!("the partition {guid}"),
        };
        let create = match &self.cache.create {
            CacheCreate::Never => "none is made".to_owned(),
            CacheCreate::Blank => "else one is made on a disk that is blank".to_owned(),
            CacheCreate::On(disk) => {
                format!("else one is made on the disk {disk}, when that is blank or its GPT has room")
            }
        };
        let check = match self.cache.check {
            CacheCheck::Boot => "all of its root is verified at each boot and each block when it is read",
            CacheCheck::Use => "each block of its root is verified when it is read",
        };
        let without = if self.cache.required { "does not boot" } else { "boots from memory, as in mode ram" };
        format!("{place}; {create}; {check}; without a cache the machine {without}")
    }

    /// What happens without the origin, in a sentence.
    pub fn describe_offline(&self) -> String {
        match self.offline {
            Offline::Never => "without the server of the image nothing boots".to_owned(),
            Offline::After(time) => {
                format!(
                    "when the server of the image has not answered for {} s, what is kept boots",
                    time.as_secs()
                )
            }
        }
    }

    /// What happens when an image fails, in a sentence.
    pub fn describe_fallback(&self) -> String {
        if self.fallback.is_empty() {
            return "an image whose system did not come up is booted again: nothing vouches for another one"
                .to_owned();
        }
        let names: Vec<String> = self.fallback.iter().map(Digest::short).collect();
        format!(
            "an image whose system did not come up is not booted again while one of these, that did, is kept: {}",
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::tests::pin;

    fn terms(built: Option<&str>, own: &str) -> Terms {
        Terms::of(&Instructions::combine(built.map(pin), own))
    }

    #[test]
    fn only_the_build_says_what_may_boot_in_place_of_what_it_pins() {
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        let built = format!("bootwright.fallback={one}");
        assert_eq!(terms(Some(&built), "quiet").fallback, [one]);
        let given = terms(Some(&built), &format!("bootwright.fallback={other}"));
        assert_eq!((given.fallback, given.overruled), (vec![one], true));
        let given = terms(Some(""), &format!("bootwright.fallback={other}"));
        assert_eq!((given.fallback, given.overruled), (vec![], true));
        let off = terms(Some(&built), "bootwright.fallback=off");
        assert_eq!((off.fallback, off.overruled), (vec![], false));
        assert_eq!(terms(None, &format!("bootwright.fallback={other}")).fallback, [other]);
    }

    #[test]
    fn the_line_says_where_the_cache_is_and_whether_it_boots_alone() {
        let terms = terms(Some("bootwright.cache=create"), "bootwright.cache=label:x bootwright.offline=20s");
        let text = terms.describe_cache();
        assert!(text.starts_with("the partition with the label x; none is made; all of"), "{text}");
        assert!(terms.describe_offline().contains("for 20 s"));
    }
}
