//! What a root that is kept on the machine's disk wants of a recipe.

use toml::Spanned;

use super::{Checker, Text, raw};
use crate::recipe::Profile;

impl Checker {
    /// A root that is kept on a disk wants a tree, by which one knows what changed and what is damaged.
    pub(super) fn disk(&mut self, raw: &raw::Recipe, mode: raw::Mode) {
        let is_disk = matches!(mode, raw::Mode::Disk);
        let keys = [("cache", raw.cache.as_ref()), ("offline", raw.offline.as_ref())];
        for (key, value) in keys.into_iter().chain([("fallback", raw.fallback.first())]) {
            self.belongs(is_disk, value, &format!("{key} is for the mode disk"));
        }
        if let Some(mode) = raw.mode.as_ref().filter(|_| is_disk && !raw.verity) {
            let text = "mode disk needs verity = true: its tree tells which blocks changed, and keeps a disk's damage \
                        from being read";
            self.problem(mode.span(), text.to_owned());
        }
    }

    /// The initrd's profile: mode `disk` has no use for one without drivers of disks.
    pub(super) fn profile(&mut self, asked: Option<Spanned<Profile>>, mode: raw::Mode) -> Profile {
        match (asked, mode) {
            (None, raw::Mode::Disk) => Profile::Generic,
            (None, _) => Profile::Network,
            (Some(profile), raw::Mode::Disk) if *profile.get_ref() == Profile::Network => {
                let text = "mode disk needs the drivers of disks: profile generic or host";
                self.problem(profile.span(), text.to_owned());
                profile.into_inner()
            }
            (Some(profile), _) => profile.into_inner(),
        }
    }
}

/// A list as one word, at the place of its first.
pub(super) fn joined(texts: &[Text]) -> Option<Text> {
    let words: Vec<&str> = texts.iter().map(|text| text.get_ref().as_str()).collect();
    texts.first().map(|first| Text::new(first.span(), words.join(",")))
}
