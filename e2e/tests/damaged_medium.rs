//! A medium with one wrong bit boots nothing, and says which chunk it is.

use bootwright_e2e::{MEDIA, Scenario};
use bootwright_vm::machine::{Attach, Firmware};

#[test]
#[ignore = "long"]
fn the_media_check_at_boot_finds_a_wrong_bit_on_a_cd() {
    let scenario = Scenario::new(MEDIA);
    let iso = scenario.medium_with_a_flipped_bit("iso");
    let scenario = scenario.boot_medium_file(iso, Attach::Cd, Firmware::Bios);
    scenario.sees("reading the root from sr0, partition 2: root.img is damaged at every source");
    scenario.sees(r"sr0, partition 2, byte 0: chunk 0 \(bytes 0 to 262144\) is sha256:");
    assert!(!scenario.has_seen("entering the root"));
}

#[test]
fn a_wrong_bit_in_the_root_of_a_disk_is_named_and_nothing_of_it_runs() {
    let scenario = Scenario::new(MEDIA);
    let disk = scenario.medium_with_a_flipped_bit("raw");
    let scenario = scenario.boot_medium_file(disk, Attach::Disk, Firmware::Bios);
    scenario.sees("reading the root from sda, partition 2: root.img is damaged at every source");
    scenario.sees(r"sda, partition 2, byte 0: chunk 0 \(bytes 0 to 262144\) is sha256:");
    assert!(!scenario.has_seen("entering the root"));
}
