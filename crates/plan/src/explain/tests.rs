use bootwright_image::{Digest, Pin};

use super::*;
use crate::instructions::tests::pin;

fn explained(pin: Option<Pin>, line: &str) -> Explanation {
    explain(&Instructions::combine(pin, line))
}

fn step(explanation: &Explanation, what: &str) -> Vec<String> {
    let steps = explanation.steps.iter().filter(|step| step.what == what);
    steps.map(|step| step.text.clone()).collect()
}

fn understood(line: &str) -> Vec<Understood> {
    explained(None, line).parameters.iter().map(|parameter| parameter.understood).collect()
}

#[test]
fn what_is_shared_is_told_and_what_has_no_effect_without_it() {
    let peers = |line: &str| step(&explained(Some(pin("")), line), "peers").join(" ");
    assert!(peers("bootwright.upload=20M").ends_with("at most 20.0 MiB/s, for 60 min after the boot"));
    assert!(peers("bootwright.seed=off").ends_with("until the root is entered"));
    assert!(peers("bootwright.peers=off").starts_with("nothing is taken"));
    let silent = explained(Some(pin("")), "bootwright.peers=off bootwright.seed=2h");
    assert!(silent.contradictions.iter().any(|text| text.starts_with("bootwright.seed= has no effect")));
}

#[test]
fn a_sound_line_is_told_in_the_order_of_the_boot() {
    let digest = Digest::of(b"root.json").hex();
    let line = format!(
        "console=ttyS0 ip=eth0:dhcp bootwright.image=http://s/a/image.json bootwright.digest=sha256:{digest} \
         bootwright.on_failure=poweroff,5"
    );
    let explanation = explained(None, &line);
    let words: Vec<_> = explanation.steps.iter().map(|step| step.what).collect();
    assert_eq!(words, ["network", "image", "digest", "root", "peers", "report", "failure"]);
    assert_eq!(step(&explanation, "network"), ["eth0: address by DHCPv4"]);
    assert_eq!(step(&explanation, "image"), ["http://s/a/image.json (from the command line)"]);
    assert_eq!(step(&explanation, "digest"), [format!("root.json must be sha256:{digest}")]);
    assert_eq!(step(&explanation, "report"), ["to http://s/v1/report"]);
    assert_eq!(step(&explanation, "failure"), ["the machine switches itself off after 5 s"]);
    assert_eq!(explanation.faults(), 0, "{explanation:?}");
}

#[test]
fn every_parameter_is_told_with_what_became_of_it() {
    use Understood::{NoEffect, NotOurs, Overruled, Unknown, Used, Wrong};
    let line = "quiet ip=dhcp ip=x:y bootwright.imgae=http://s/ rd.live.overlay=LABEL=x bootwright.overlay=1G \
                bootwright.overlay=2G bootif=01-52-54-00-12-34-56 url=http://s/x root=/dev/sda1";
    let wanted = [NotOurs, Used, Wrong, Unknown, NoEffect, Overruled, Used, Unknown, NotOurs, NotOurs];
    assert_eq!(understood(line), wanted);
}

#[test]
fn an_image_of_another_builder_is_told_with_what_vouches_for_it() {
    let line = "rd.systemd.pull=raw,machine,verify=no,blockdev,bootorigin:i:i.raw root=/dev/disk/by-loop-ref/i.raw-part2";
    let explanation = explained(None, line);
    assert_eq!(step(&explanation, "image"), ["http://where-the-uki-came-from/i.raw (from the command line)"]);
    assert!(step(&explanation, "digest")[0].contains("nobody verifies"));
    assert!(step(&explanation, "file")[0].ends_with("the root is partition 2"));
    assert_eq!(explanation.faults(), 0, "{explanation:?}");
    let signed = explained(None, &line.replace("verify=no,", ""));
    assert!(signed.steps.iter().any(|step| step.refused && step.text.contains("verify=checksum")));
    assert_eq!(understood("rd.systemd.pull=raw:i:http://s/i"), [Understood::Wrong]);
}

#[test]
fn without_a_digest_nothing_boots_and_the_line_is_at_fault() {
    let explanation = explained(None, "bootwright.image=http://s/root.squashfs");
    let refused: Vec<_> = explanation.steps.iter().filter(|step| step.refused).collect();
    assert_eq!((refused.len(), refused[0].what), (1, "digest"));
    assert_eq!(explanation.faults(), 1);
    assert_eq!(explained(Some(pin("")), "bootwright.image=http://s/a/image.json").faults(), 0);
}

#[test]
fn contradictions_are_named() {
    let other = Digest::of(b"another").hex();
    for (line, word) in [
        ("bootwright.mode=ram bootwright.mode=embed", "2 values; embed counts"),
        ("ip=eth0:dhcp ip=eth0:off", "two ip= name eth0"),
        (&*format!("bootwright.digest=sha256:{other}"), "differs from the digest that the initrd pins"),
        ("bootwright.mode=embed bootwright.image=http://s/a/", "in mode embed"),
        ("bootwright.verify=off", "without bootwright.compat=aria2"),
        ("root=live:http://s/r", "the initrd pins an image"),
        ("rd.systemd.pull=raw,machine:r:http://s/r", "the root http://s/r has no effect"),
    ] {
        let explanation = explained(Some(pin("")), line);
        let named = explanation.contradictions.iter().any(|text| text.contains(word));
        assert!(named, "{line}: {:?}", explanation.contradictions);
        assert!(explanation.faults() > 0);
    }
}

#[test]
fn a_network_that_is_switched_off_is_a_refusal_only_where_one_is_needed() {
    assert!(explained(Some(pin("")), "ip=off").steps[0].refused);
    assert!(!explained(Some(pin("")), "ip=off bootwright.image=disk:").steps[0].refused);
}

#[test]
fn a_first_stage_says_what_it_starts_and_what_nobody_verifies() {
    let line = "bootwright.compat=aria2 kernel_url=http://s/vmlinuz next_kernel_params=\"a b\"";
    let explanation = explained(None, line);
    assert!(step(&explanation, "kernel")[0].contains("nobody verifies"));
    assert!(step(&explanation, "kexec")[0].ends_with(": a b"));
    assert_eq!(step(&explanation, "image"), [""; 0]);
    let refused = explained(Some(pin("")), line);
    assert!(refused.steps.iter().any(|step| step.refused && step.text.contains("kernel_sha=")));
}

#[test]
fn parameters_of_the_build_are_explained_with_those_of_the_machine() {
    let explanation = explained(Some(pin("ip=eth9:dhcp bootwright.overlay=1G")), "bootwright.overlay=2G");
    let names: Vec<_> = explanation.parameters.iter().map(|parameter| parameter.parameter.as_str()).collect();
    assert_eq!(names, ["ip=eth9:dhcp", "bootwright.overlay=2G"]);
}

#[test]
fn what_mode_disk_touches_is_told() {
    let pinned = Some(pin("bootwright.mode=disk bootwright.cache=create"));
    let explanation = explain(&Instructions::combine(pinned, "bootwright.offline=30s"));
    let told = |what: &str| explanation.steps.iter().find(|step| step.what == what).unwrap().text.clone();
    assert!(told("cache").contains("else one is made on a disk that is blank"), "{}", told("cache"));
    assert!(told("offline").contains("for 30 s"), "{}", told("offline"));
    assert!(told("fallback").contains("nothing vouches for another one"), "{}", told("fallback"));
    let other = explain(&Instructions::combine(None, "bootwright.cache=create,required"));
    assert!(other.contradictions[0].contains("is for bootwright.mode=disk"), "{other:?}");
}
