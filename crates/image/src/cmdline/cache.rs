//! What a machine keeps on its disk: `bootwright.cache=`, `bootwright.offline=` and `bootwright.fallback=`.

use std::str::FromStr;
use std::time::Duration;

use super::sharing::time;
use crate::Digest;

/// The most images that may be booted in place of another one.
const MAX_FALLBACKS: usize = 8;

/// `cache=WORD[,WORD…]`: where the cache is, and what may be done to have one. The words are `label:NAME` or
/// `partuuid:GUID`, `create` or `create:DISK`, `check:use`, `required`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cache {
    /// Which partition.
    pub place: CachePlace,
    /// Whether one may be made.
    pub create: CacheCreate,
    /// When what lies in it is looked at.
    pub check: CacheCheck,
    /// Without a cache the machine does not boot.
    pub required: bool,
}

/// Which partition is the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CachePlace {
    /// One whose type is that of caches.
    #[default]
    Type,
    /// The one of that name in its GPT.
    Label(String),
    /// The one of that GUID, in lower case.
    Guid(String),
}

/// Whether a partition may be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CacheCreate {
    /// No.
    #[default]
    Never,
    /// On a disk that is blank.
    Blank,
    /// On a disk that is blank, or where its GPT has room: the disk of that name or disk GUID.
    On(String),
}

/// When what lies in the cache is compared with its digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheCheck {
    /// All of it at each boot, and each block once more when it is read.
    #[default]
    Boot,
    /// Each block when it is read; all of it after a boot of which nothing was heard.
    Use,
}

impl FromStr for Cache {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut cache = Self::default();
        for word in text.split(',') {
            let (key, value) = match word.split_once(':') {
                Some((key, value)) => (key, Some(value)),
                None => (word, None),
            };
            match (key, value) {
                ("label", Some(name)) if !name.is_empty() => cache.place = CachePlace::Label(name.into()),
                ("partuuid", Some(guid)) if is_guid(guid) => {
                    cache.place = CachePlace::Guid(guid.to_ascii_lowercase());
                }
                ("create", None) => cache.create = CacheCreate::Blank,
                ("create", Some(disk)) if !disk.is_empty() && !disk.contains('/') => {
                    cache.create = CacheCreate::On(disk.to_owned());
                }
                ("check", Some("boot")) => cache.check = CacheCheck::Boot,
                ("check", Some("use")) => cache.check = CacheCheck::Use,
                ("required", None) => cache.required = true,
                _ => {
                    return Err(format!(
                        "{word:?} is none of label:NAME, partuuid:GUID, create, create:DISK (as in sda or a disk's \
                         GUID), check:use, required"
                    ));
                }
            }
        }
        Ok(cache)
    }
}

fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// `offline=off|TIME`: whether an image in the cache boots when its origin cannot be reached, and how long that is
/// waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Offline {
    /// It does not.
    #[default]
    Never,
    /// It does, after so long.
    After(Duration),
}

impl FromStr for Offline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(time(text)?.map_or(Self::Never, Self::After))
    }
}

/// `fallback=off|DIGEST[,DIGEST…]`: images, by the SHA-256 of their root manifests, of which one that was good may boot
/// when this one has failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fallback(pub Vec<Digest>);

impl FromStr for Fallback {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::default());
        }
        let digests: Result<Vec<Digest>, _> = text.split(',').map(str::parse).collect();
        let digests = digests.map_err(|error: crate::digest::ParseError| error.to_string())?;
        if digests.len() > MAX_FALLBACKS {
            return Err(format!("{} images are too many, at most {MAX_FALLBACKS}", digests.len()));
        }
        Ok(Self(digests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GUID: &str = "7C9F4B1E-35D2-4F0A-9C5E-B6A1D0E8F427";

    #[test]
    fn a_cache_is_found_by_type_label_or_guid_and_made_when_the_line_says_so() {
        assert_eq!("required".parse(), Ok(Cache { required: true, ..Cache::default() }));
        let cache: Cache = format!("partuuid:{GUID},create:vda,check:use").parse().unwrap();
        assert_eq!(cache.place, CachePlace::Guid(GUID.to_ascii_lowercase()));
        assert_eq!((cache.create, cache.check), (CacheCreate::On("vda".into()), CacheCheck::Use));
        let cache: Cache = "label:scratch,create".parse().unwrap();
        assert_eq!((cache.place, cache.create), (CachePlace::Label("scratch".into()), CacheCreate::Blank));
        for wrong in
            ["", "label:", "label", "partuuid:7c9f", "create:", "create:/dev/sda", "creat", "required:1"]
        {
            assert!(wrong.parse::<Cache>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn offline_is_a_time_and_fallbacks_are_digests() {
        assert_eq!("30s".parse(), Ok(Offline::After(Duration::from_secs(30))));
        assert_eq!("off".parse(), Ok(Offline::Never));
        assert!("soon".parse::<Offline>().is_err());
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        assert_eq!(format!("{one},{other}").parse(), Ok(Fallback(vec![one, other])));
        assert_eq!("off".parse(), Ok(Fallback::default()));
        assert!("worker_1".parse::<Fallback>().is_err());
        assert!(vec![one.to_string(); 9].join(",").parse::<Fallback>().unwrap_err().contains("too many"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,24}") {
            let _ = (text.parse::<Cache>(), text.parse::<Offline>(), text.parse::<Fallback>());
        }
    }
}
