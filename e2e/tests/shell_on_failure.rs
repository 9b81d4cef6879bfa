//! `bootwright.on_failure=shell` with a shell in the initrd: somebody can look around.

use bootwright_e2e::Scenario;

#[test]
fn a_failed_boot_ends_in_a_shell_when_that_is_asked_for() {
    // An address that is none needs no network to fail.
    let append = "bootwright.image=ftp://nowhere/ bootwright.on_failure=shell";
    let scenario = Scenario::new("hello").adding("/bin/busybox", "bin/sh");
    let mut scenario = scenario.boot_directly(append, 1024);
    scenario.sees("names the image .*ftp://nowhere");
    scenario.sees("a shell: `exit` reboots");
    scenario.types("echo seven-$((3+4))\n");
    scenario.sees("^seven-7");
}
