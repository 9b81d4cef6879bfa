//! A live root by the names of dracut and of live-boot: a file system in one file, of which `bootwright.digest=`
//! says what it must be, since both check nothing (dracut) or what lies beside it on the same server (live-boot).
//!
//! | parameter | meaning |
//! |---|---|
//! | `root=live:URL` | dracut's livenet: squashfs, EROFS or ext4; `rd.live.overlay.size=MIB` limits the writable layer |
//! | `boot=live fetch=URL` | live-boot: the same |
//!
//! Not supported: an ISO with the root inside, `live:CDLABEL=` and other devices, persistent overlays.

use bootwright_image::cmdline::CommandLine;

/// Before the URL in dracut's `root=`.
const LIVE: &str = "live:";

/// The address of the root, when the line names one of a live system that lies on a server.
pub fn url(line: &CommandLine) -> Option<&str> {
    let is_remote = |text: &&str| text.starts_with("http://") || text.starts_with("https://");
    let dracut = line.get("root").and_then(|root| root.strip_prefix(LIVE));
    let live_boot = || line.get("fetch").filter(|_| line.get("boot") == Some("live"));
    dracut.filter(is_remote).or_else(|| live_boot().filter(is_remote))
}

/// The limit of the writable layer in tmpfs(5)'s notation; dracut counts in MiB.
pub fn overlay(line: &CommandLine) -> Option<String> {
    let size = line.get("rd.live.overlay.size")?;
    let is_number = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{size}m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_on_a_server_is_found_by_either_name() {
        let found = |line: &str| url(&CommandLine::parse(line)).map(str::to_owned);
        assert_eq!(found("root=live:http://s/r.squashfs").as_deref(), Some("http://s/r.squashfs"));
        assert_eq!(found("boot=live fetch=https://s/r").as_deref(), Some("https://s/r"));
        for line in [
            "fetch=http://s/r",
            "root=live:CDLABEL=x",
            "root=/dev/sda1",
            "root=live:",
            "boot=live fetch=ftp://s/r",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn the_size_of_the_overlay_is_in_mib() {
        let found = |line: &str| overlay(&CommandLine::parse(line));
        assert_eq!(found("rd.live.overlay.size=2048").as_deref(), Some("2048m"));
        assert_eq!(found("rd.live.overlay.size=2G"), None);
    }
}
