//! The disk of `examples/cloud`: cloud-init applies a seed, dm-verity's partitions hold the root, and the data
//! partition grows to the disk at the first boot.

#![allow(clippy::unwrap_used)] // a test may stop where it cannot go on

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use bootwright_e2e::{Scenario, program};
use bootwright_vm::Road;
use bootwright_vm::machine::{Attach, Boot, Firmware};

const USER_DATA: &str = "#cloud-config
hostname: seeded
runcmd:
  - [sh, -c, 'echo host name: $(hostname) > /dev/ttyS0']
  - [sh, -c, 'findmnt --noheadings --output TARGET,SIZE --bytes /persist > /dev/ttyS0']
";

/// A seed as a user makes one.
fn seed(directory: &Path) -> std::path::PathBuf {
    let (user_data, seed) = (directory.join("user-data"), directory.join("seed.iso"));
    fs::write(&user_data, USER_DATA).unwrap();
    let mut command = Command::new(program());
    let output = command.args(["seed", "--user-data"]).arg(&user_data).arg("-o").arg(&seed).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    seed
}

#[test]
#[ignore = "long"]
fn cloud_init_takes_the_host_name_from_the_seed_and_the_data_partition_grows() {
    let scenario = Scenario::new("cloud");
    let disk = scenario.directory().join("cloud.raw");
    fs::copy(scenario.image().join("cloud.raw"), &disk).unwrap();
    File::options().write(true).open(&disk).unwrap().set_len(2 << 30).unwrap();
    let boot = Boot::Medium { file: disk, attach: Attach::Disk };
    let machine = scenario.machine(Road::Disk, Firmware::Bios).boot(boot).memory(2048);
    let machine = machine.seed(seed(scenario.directory()));
    let scenario = scenario.boot_machine(machine);
    scenario.sees("reading sda, partition 2");
    scenario.sees("host name: seeded");
    // At least 1 GiB, where the recipe has 64 MiB.
    scenario.sees(r"/persist +[1-9]\d{9}");
}
