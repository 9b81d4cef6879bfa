//! The image is a disk with sectors of 4096 bytes.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_vm::machine::{Attach, Firmware};

#[test]
#[ignore = "long"]
fn a_uefi_machine_boots_it_to_login() {
    let scenario = Scenario::new("hello-4kn");
    let file = scenario.image().join("hello-4kn.raw");
    let mut scenario = scenario.boot_medium_file(file, Attach::Disk4Kn, Firmware::Uefi);
    scenario.sees("reading vda, partition 2");
    scenario.sees("every byte of the root is verified");
    scenario.sees(LOGIN);
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.types("cat /sys/block/vda/queue/logical_block_size\n");
    scenario.sees(r"^4096\s*$");
}
