//! Parameters that name a root: dracut's live systems, live-boot, casper, systemd.

use super::System::{Casper, Dracut, LiveBoot, Systemd};
use super::Verdict::{Better, NotUnderstood, Same};
use super::{Entry, entry};

const IN_MEMORY: &str = "the writable layer is in memory, and goes with the machine";
const MEDIA: &str = "only roots on servers: bootwright.image=disk: finds the pinned image on a medium";
const ROOT: &str = "where one image is pulled: the root in it, or the partition of that name";
const USR: &str =
    "a /usr alone, or beside the root, is not mounted: the image needs a root partition with all of it";
const NOTHING_TO_DO: &str = "nothing to switch on";

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        Dracut,
        ("root", "live:http"),
        "root=live:http://s/live.iso",
        Better,
        "an ISO with LiveOS/squashfs.img, or a squashfs, EROFS or ext4, packed or not; resumed, and compared with bootwright.digest=, else with URL.sha256 or SHA256SUMS, without which nothing boots (there, a truncated image does); bootwright.verify=off does without; not where the initrd pins an image",
    ),
    entry(Dracut, ("root", "live:"), "root=live:CDLABEL=x", NotUnderstood, MEDIA),
    entry(Dracut, ("rd.live.image", ""), "rd.live.image", Same, NOTHING_TO_DO),
    entry(Dracut, ("rd.live.dir", ""), "rd.live.dir=LiveOS", Same, "where the root lies in the ISO"),
    entry(
        Dracut,
        ("rd.live.squashimg", ""),
        "rd.live.squashimg=squashfs.img",
        Same,
        "what it is called there",
    ),
    entry(Dracut, ("rd.live.ram", ""), "rd.live.ram=1", Same, "the root is in memory in any case"),
    entry(
        Dracut,
        ("rd.live.overlay.size", ""),
        "rd.live.overlay.size=2048",
        Same,
        "the most that the writable layer takes, in MiB",
    ),
    entry(
        Dracut,
        ("rd.live.overlay.overlayfs", ""),
        "rd.live.overlay.overlayfs=1",
        Same,
        "it is an overlayfs in any case",
    ),
    entry(
        Dracut,
        ("rd.live.overlay.readonly", ""),
        "rd.live.overlay.readonly=1",
        Same,
        "nothing persists in any case",
    ),
    entry(Dracut, ("rd.live.overlay.reset", ""), "rd.live.overlay.reset=1", Same, "it is new at each boot"),
    entry(Dracut, ("rd.live.overlay", ""), "rd.live.overlay=LABEL=persist", NotUnderstood, IN_MEMORY),
    entry(
        Dracut,
        ("rd.live.overlay.thin", ""),
        "rd.live.overlay.thin=1",
        NotUnderstood,
        "for overlays of device-mapper; here it is an overlayfs",
    ),
    entry(
        Dracut,
        ("rd.writable.fsimg", ""),
        "rd.writable.fsimg=1",
        Same,
        "the root is writable in any case, by a layer over it",
    ),
    entry(
        Dracut,
        ("rd.live.check", ""),
        "rd.live.check",
        NotUnderstood,
        "the checksum inside an ISO is not read: the whole of it is compared with a digest",
    ),
    entry(
        Dracut,
        ("rd.live.", ""),
        "rd.live.deltadir=d",
        NotUnderstood,
        "options of live roots: the agent mounts the root read-only with a layer in memory over it (bootwright.overlay=)",
    ),
    entry(
        LiveBoot,
        ("fetch", ""),
        "fetch=http://10.0.0.1/filesystem.squashfs",
        Better,
        "with boot=live; as root=live:URL, an ISO with live/filesystem.squashfs too",
    ),
    entry(
        LiveBoot,
        ("httpfs", ""),
        "httpfs=http://10.0.0.1/filesystem.squashfs",
        Better,
        "as fetch=: all of it comes before the boot, and is compared",
    ),
    entry(LiveBoot, ("live-media-path", ""), "live-media-path=/live", Same, "where the root lies in the ISO"),
    entry(LiveBoot, ("overlay-size", ""), "overlay-size=50%", Same, "the most that the writable layer takes"),
    entry(LiveBoot, ("toram", ""), "toram", Same, "the root is in memory in any case"),
    entry(LiveBoot, ("nopersistence", ""), "nopersistence", Same, IN_MEMORY),
    entry(LiveBoot, ("persistence", ""), "persistence", NotUnderstood, IN_MEMORY),
    entry(LiveBoot, ("live-media", ""), "live-media=/dev/sda1", NotUnderstood, MEDIA),
    entry(LiveBoot, ("findiso", ""), "findiso=/live.iso", NotUnderstood, MEDIA),
    entry(LiveBoot, ("fromiso", ""), "fromiso=/dev/sda1/live.iso", NotUnderstood, MEDIA),
    entry(
        LiveBoot,
        ("module", "filesystem"),
        "module=filesystem.extra",
        NotUnderstood,
        "a root is one file: live/filesystem.squashfs",
    ),
    entry(
        LiveBoot,
        ("dm-verity-root-hash", ""),
        "dm-verity-root-hash=filesystem.squashfs:00",
        NotUnderstood,
        "the whole file is compared with a digest; roothash= is for disk images",
    ),
    entry(
        LiveBoot,
        ("verify-checksums", ""),
        "verify-checksums",
        NotUnderstood,
        "the MD5 inside an ISO is not read: the whole of it is compared with a digest",
    ),
    entry(
        Casper,
        ("url", ""),
        "url=http://s/ubuntu.iso",
        Better,
        "with boot=casper; as root=live:URL, an ISO with casper/filesystem.squashfs",
    ),
    entry(
        Casper,
        ("layerfs-path", ""),
        "layerfs-path=minimal.standard.squashfs",
        NotUnderstood,
        "a root in several layers is not put together: an ISO with casper/filesystem.squashfs is",
    ),
    entry(
        Systemd,
        ("rd.systemd.pull", ""),
        "rd.systemd.pull=raw,machine,verify=checksum,blockdev:image:https://s/image.raw.xz",
        Better,
        "the image that root= names: GPT, squashfs, EROFS, ext4 or (tar) a tree, packed by gzip, xz or zstd; resumed and tried again; bootwright.digest= counts for more than verify=; verify=signature, the default, takes that or roothash=; bootorigin as there; not bzip2, not file:, not where the initrd pins an image",
    ),
    entry(
        Systemd,
        ("rd.systemd.pull.success_action", ""),
        "rd.systemd.pull.success_action=poweroff",
        Same,
        "once the root is there; every reboot, kexec and soft-reboot is a reboot, halt and exit switch off",
    ),
    entry(
        Systemd,
        ("rd.systemd.pull.failure_action", ""),
        "rd.systemd.pull.failure_action=reboot",
        Better,
        "as bootwright.on_failure=, which counts for more: the waits grow from one reboot to the next",
    ),
    entry(
        Systemd,
        ("root", "/dev/disk/by-loop-ref/"),
        "root=/dev/disk/by-loop-ref/image.raw-part2",
        Same,
        "that partition of the image, or all of it without -partN; read-only, with a layer in memory over it",
    ),
    entry(
        Systemd,
        ("root", "bind:"),
        "root=bind:/run/machines/tree",
        Same,
        "the tree of rd.systemd.pull=tar, in memory",
    ),
    entry(
        Systemd,
        ("root", "gpt-auto"),
        "root=gpt-auto",
        Better,
        "the root partition of this architecture by its type, or the one that roothash= names; of several, none is guessed",
    ),
    entry(Systemd, ("root", "PARTUUID="), "root=PARTUUID=0bb6b1b5-0000-4000-8000-000000000001", Same, ROOT),
    entry(Systemd, ("root", "PARTLABEL="), "root=PARTLABEL=root", Same, ROOT),
    entry(
        Systemd,
        ("roothash", ""),
        "roothash=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        Better,
        "the root hash of the dm-verity partition: the kernel refuses whatever is not under it, so that no other digest is needed",
    ),
    entry(Systemd, ("usrhash", ""), "usrhash=00", NotUnderstood, USR),
    entry(Systemd, ("mount.usr", ""), "mount.usr=/dev/mapper/usr", NotUnderstood, USR),
];
