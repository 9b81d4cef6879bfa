//! Programs out of Debian 13's packages, for those who run an older Debian: unpacked, not installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, shell};

/// erofs-utils 1.8 with the libraries that it needs: Debian 12's knows neither zstd nor tar.
const EROFS_UTILS: &[&str] = &[
    "erofs-utils",
    "libc6",
    "libdeflate0",
    "libfuse3-4",
    "liblz4-1",
    "liblzma5",
    "libpcre2-8-0",
    "libselinux1",
    "libuuid1",
    "libzstd1",
    "zlib1g",
];

/// Unpacks `packages`, from the mirror that this system uses, to `to` unless that is there already.
pub fn unpack(packages: &[&str], to: &Path) -> Result<()> {
    if to.is_dir() {
        return Ok(());
    }
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(SITE)", "Created-By: Packages", "Label: Debian"]);
    let sites = shell::output(&mut targets)?;
    let site =
        sites.lines().next().ok_or("no Debian mirror is configured, which packages could come from")?;
    let script = r#"set -e
        to=$1 site=$2
        shift 2
        rm -rf "$to.new" && mkdir -p "$to.new/apt/lists/partial" "$to.new/apt/archives/partial" && cd "$to.new"
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site trixie main" > apt/sources
        apt() {
            apt-get -qq -o Dir::Etc::sourcelist="$PWD/apt/sources" -o Dir::Etc::sourceparts=- \
                -o Dir::State::lists="$PWD/apt/lists" -o Dir::State::status=/dev/null \
                -o Dir::Cache="$PWD/apt" -o APT::Sandbox::User= "$@"
        }
        apt update
        apt download "$@"
        for package in *.deb; do dpkg-deb -x "$package" root; done
        mv root "$to"
        rm -rf "$to.new""#;
    let mut fetch = Command::new("sh");
    fetch.args(["-c", script, "sh"]).arg(to).arg(site).args(packages);
    shell::run(&format!("fetch {} from Debian 13", packages.first().unwrap_or(&"")), &mut fetch)
}

/// Provides the judges that tests look for; other systems' own packages have to be new enough.
pub fn judges() -> Result<()> {
    if shell::has("apt-get") { erofs_utils().map(drop) } else { Ok(()) }
}

/// The directory with fsck.erofs, dump.erofs and mkfs.erofs of erofs-utils 1.8.
/// They run with the C library that they were built for.
pub fn erofs_utils() -> Result<PathBuf> {
    let directory = shell::root().join("target/judges/erofs-utils");
    let (root, programs) = (directory.join("root"), directory.join("bin"));
    unpack(EROFS_UTILS, &root)?;
    let script = r#"set -e
        mkdir -p "$2"
        linker=$(find "$1" -name 'ld-linux*' -type f | head -n 1)
        libraries=$(dirname "$linker")
        for program in fsck.erofs dump.erofs mkfs.erofs; do
            printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' \
                "$linker" "$libraries" "$1/usr/bin/$program" > "$2/$program"
            chmod +x "$2/$program"
        done"#;
    let mut wrap = Command::new("sh");
    shell::output(wrap.args(["-c", script, "sh"]).arg(&root).arg(&programs))?;
    Ok(programs)
}
