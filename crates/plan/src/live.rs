//! A live root by the names of dracut, of live-boot and of casper: an ISO with a live root in it, or a root alone.
//!
//! | parameter | meaning |
//! |---|---|
//! | `root=live:URL` | dracut's livenet; `rd.live.overlay.size=MIB` limits the writable layer |
//! | `rd.live.dir=` `rd.live.squashimg=` | where the root lies in the ISO: `LiveOS` and `squashfs.img` |
//! | `boot=live fetch=URL` | live-boot, `httpfs=` too; `overlay-size=` as tmpfs(5) has it, `live-media-path=` for `live` |
//! | `boot=casper url=URL` | Ubuntu's casper; `layerfs-path=` names the uppermost of several [`layers`] |
//!
//! Not supported: `live:CDLABEL=` and other devices, NFS and torrents by these names, persistent overlays.

use bootwright_image::cmdline::CommandLine;

/// Before the URL in dracut's `root=`.
const LIVE: &str = "live:";

/// Where casper's layers lie in an ISO.
const CASPER: &str = "casper";

/// Where systems keep their root in an ISO: dracut (Fedora and its kin, openSUSE), live-boot, casper.
const USUAL: &[&str] = &["LiveOS/squashfs.img", "live/filesystem.squashfs", "casper/filesystem.squashfs"];

/// The address of the root, when the line names one of a live system that lies on a server.
pub fn url(line: &CommandLine) -> Option<&str> {
    let is_remote = |text: &&str| text.starts_with("http://") || text.starts_with("https://");
    let dracut = line.get("root").and_then(|root| root.strip_prefix(LIVE));
    let by = |key: &str, boot: &str| line.get(key).filter(|_| line.get("boot") == Some(boot));
    let others = [by("fetch", "live"), by("httpfs", "live"), by("url", "casper")];
    std::iter::once(dracut).chain(others).flatten().find(is_remote)
}

/// Where the root lies in an ISO, the first choice first; alone, where the line says it.
pub fn paths(line: &CommandLine) -> Vec<String> {
    let text = |key: &str| line.get(key).map(|text| text.trim_matches('/')).filter(|text| !text.is_empty());
    let (directory, image) = (text("rd.live.dir"), text("rd.live.squashimg"));
    if directory.is_some() || image.is_some() {
        return vec![format!("{}/{}", directory.unwrap_or("LiveOS"), image.unwrap_or("squashfs.img"))];
    }
    match text("live-media-path") {
        Some(directory) => vec![format!("{directory}/filesystem.squashfs")],
        None => USUAL.iter().map(|path| (*path).to_owned()).collect(),
    }
}

/// Where casper's layers lie in an ISO, the lowest first; none where the line names none. `a.b.c.squashfs` lies on
/// `a.b.squashfs`, and that on `a.squashfs`.
pub fn layers(line: &CommandLine) -> Vec<String> {
    let named = line.get("layerfs-path").filter(|_| line.get("boot") == Some("casper"));
    let Some((stem, extension)) = named.and_then(|name| name.trim_matches('/').rsplit_once('.')) else {
        return Vec::new();
    };
    let ends = stem.match_indices('.').map(|(at, _)| at).chain([stem.len()]);
    let parts = ends.filter_map(|end| stem.get(..end)).filter(|part| !part.is_empty());
    parts.map(|part| format!("{CASPER}/{part}.{extension}")).collect()
}

/// The limit of the writable layer in tmpfs(5)'s notation; dracut counts in MiB.
pub fn overlay(line: &CommandLine) -> Option<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(size) = line.get("rd.live.overlay.size") {
        return is_number(size).then(|| format!("{size}m"));
    }
    let size = line.get("overlay-size").filter(|_| line.get("boot") == Some("live"))?;
    let digits = size.strip_suffix(['k', 'm', 'g', 'K', 'M', 'G', '%']).unwrap_or(size);
    is_number(digits).then(|| size.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_on_a_server_is_found_by_either_name() {
        let found = |line: &str| url(&CommandLine::parse(line)).map(str::to_owned);
        assert_eq!(found("root=live:http://s/r.squashfs").as_deref(), Some("http://s/r.squashfs"));
        assert_eq!(found("boot=live fetch=https://s/r").as_deref(), Some("https://s/r"));
        assert_eq!(found("boot=casper url=http://s/u.iso").as_deref(), Some("http://s/u.iso"));
        for line in [
            "fetch=http://s/r",
            "root=live:CDLABEL=x",
            "root=/dev/sda1",
            "root=live:",
            "boot=live fetch=ftp://s/r",
            "url=http://s/u.iso",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn the_root_in_an_iso_is_where_the_line_says_or_where_systems_keep_it() {
        let found = |line: &str| paths(&CommandLine::parse(line));
        assert_eq!(found("rd.live.dir=/x/"), ["x/squashfs.img"]);
        assert_eq!(found("rd.live.squashimg=a.img"), ["LiveOS/a.img"]);
        assert_eq!(found("live-media-path=/deb"), ["deb/filesystem.squashfs"]);
        assert_eq!(found("quiet").len(), 3);
    }

    #[test]
    fn each_layer_is_named_by_the_beginning_of_those_on_it() {
        let found = |line: &str| layers(&CommandLine::parse(line));
        assert_eq!(
            found("boot=casper layerfs-path=minimal.standard.live.squashfs"),
            [
                "casper/minimal.squashfs",
                "casper/minimal.standard.squashfs",
                "casper/minimal.standard.live.squashfs"
            ]
        );
        assert_eq!(found("boot=casper layerfs-path=one.squashfs"), ["casper/one.squashfs"]);
        for line in ["layerfs-path=a.b.squashfs", "boot=casper layerfs-path=", "boot=casper layerfs-path=x"] {
            assert!(found(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn the_size_of_the_overlay_is_in_mib_or_as_tmpfs_has_it() {
        let found = |line: &str| overlay(&CommandLine::parse(line));
        assert_eq!(found("rd.live.overlay.size=2048").as_deref(), Some("2048m"));
        assert_eq!(found("rd.live.overlay.size=2G"), None);
        assert_eq!(found("boot=live overlay-size=50%").as_deref(), Some("50%"));
        assert_eq!(found("overlay-size=50%"), None);
    }
}
