//! Which root file system a path to modules belongs to.

use std::path::{Path, PathBuf};

/// A root file system on disk and the place of one kernel's modules in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The root's `/`.
    pub root: PathBuf,
    /// `lib/modules/VERSION` or `usr/lib/modules/VERSION`.
    pub modules: String,
}

impl Location {
    /// Takes `DIR/lib/modules/VERSION` apart; `None` when the path has another form. Links in it are the
    /// caller's concern: after [`canonicalize`](Path::canonicalize) there are none.
    pub fn of_modules(path: &Path) -> Option<Self> {
        let version = path.file_name()?.to_str()?;
        let library = path.parent().filter(|parent| parent.ends_with("lib/modules"))?.parent()?;
        let above = library.parent()?;
        Some(match above.file_name() {
            Some(name) if name == "usr" => {
                Self { root: above.parent()?.to_owned(), modules: format!("usr/lib/modules/{version}") }
            }
            _ => Self { root: above.to_owned(), modules: format!("lib/modules/{version}") },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_above_lib_or_usr() {
        let parts = |path: &str| {
            let location = Location::of_modules(Path::new(path))?;
            Some((location.root.display().to_string(), location.modules))
        };
        let usual = |root: &str, modules: &str| Some((root.to_owned(), modules.to_owned()));
        assert_eq!(parts("/lib/modules/6.1"), usual("/", "lib/modules/6.1"));
        assert_eq!(parts("/a/usr/lib/modules/6.1"), usual("/a", "usr/lib/modules/6.1"));
        assert_eq!(parts("/a/lib/modules/6.1"), usual("/a", "lib/modules/6.1"));
        for other in ["/a/modules/6.1", "/", "/lib/modules", "/lib/modules/.."] {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
