//! Mode `disk`: a disk with somebody's data is left as it is, and the machine goes on in memory.

#![allow(clippy::unwrap_used)] // a test may stop where it cannot go on

use std::fs::File;
use std::process::Command;

use bootwright_e2e::{KEPT, Scenario};
use bootwright_image::Digester;
use bootwright_image::timeline::Stage;

fn digest(path: &std::path::Path) -> String {
    let mut digester = Digester::default();
    std::io::copy(&mut File::open(path).unwrap(), &mut digester).unwrap();
    digester.finish().hex()
}

#[test]
#[ignore = "long"]
fn a_file_system_without_a_partition_table_is_not_written_over() {
    let scenario = Scenario::new(KEPT).with_disk(64).serve();
    let disk = scenario.disk();
    let made = Command::new("mke2fs").args(["-q", "-F", "-L", "precious"]).arg(&disk).status().unwrap();
    assert!(made.success(), "mke2fs (package e2fsprogs) failed");
    let before = digest(&disk);
    let scenario = scenario.boot_directly("bootwright.cache=create", 1024);
    scenario.sees("vda is not blank: byte [0-9]+ is not zero: the machine goes on without it, in memory");
    scenario.sees("root: erofs on /dev/dm-0");
    scenario.reports(Stage::Fetch, "goes on without it, in memory");
    let scenario = scenario.switch_off();
    assert_eq!(digest(&disk), before);
    // And when a cache is required, nothing boots.
    let append = "bootwright.cache=create,required bootwright.on_failure=poweroff";
    let mut scenario = scenario.boot_directly(append, 1024);
    scenario.sees("the cache: no disk has a partition for the cache: vda is not blank");
    scenario.sees("says that a cache is required");
    scenario.powers_off();
    assert_eq!(digest(&disk), before);
}
