//! Debian's generic kernel, as its package holds it, for the benchmarks of initrds.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{Result, shell};

/// A kernel with its modules, depmod done.
pub struct Kernel {
    pub root: PathBuf,
    pub version: String,
}

impl Kernel {
    /// The generic kernel of this Debian's own suite, unpacked below `target/bench`, where it stays.
    pub fn fetch() -> Result<Self> {
        let scratch = shell::root().join("target/bench");
        let root = scratch.join("kernel");
        if !root.is_dir() {
            let script = r#"set -e
                mkdir -p "$1" && cd "$1" && rm -rf new && mkdir new && cd new
                package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
                apt-get -qq download "$package"
                dpkg-deb -x "$package"_*.deb kernel
                [ -d kernel/lib ] || ln -s usr/lib kernel/lib
                depmod -b "$PWD/kernel" "${package#linux-image-}"
                mv kernel .."#;
            let mut fetch = Command::new("sh");
            fetch.args(["-c", script, "sh"]).arg(&scratch);
            shell::run("fetch Debian's generic kernel", &mut fetch)?;
        }
        let modules = root.join("lib/modules");
        let mut versions =
            fs::read_dir(&modules).map_err(|error| format!("{}: {error}", modules.display()))?;
        let version = versions.next().and_then(std::result::Result::ok).ok_or("the kernel has no modules")?;
        Ok(Self { root, version: version.file_name().to_string_lossy().into_owned() })
    }

    /// `lib/modules/VERSION`.
    pub fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.version)
    }

    /// The kernel itself.
    pub fn image(&self) -> PathBuf {
        self.root.join("boot").join(format!("vmlinuz-{}", self.version))
    }
}
