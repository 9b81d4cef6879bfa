//! aria2-initrd's parameters: kernel and initrd are fetched, and started with a command line of their own.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_image::timeline::Stage;

#[test]
fn a_first_stage_starts_a_second_kernel_with_its_own_command_line() {
    let scenario = Scenario::new("hello").serve();
    let uki = "http://10.77.0.1/images/hello/image.efi";
    let append = format!(
        "bootwright.compat=aria2 kernel_url={uki}/linux initrd_url={uki}/initrd kernel_sha={} initrd_sha={} \
         next_kernel_params=\"console=ttyS0 second.stage=yes\"",
        scenario.digest_of(".linux"),
        scenario.digest_of(".initrd"),
    );
    let scenario = scenario.boot_directly(&append, 1024);
    scenario.sees_command_line("bootwright.compat=aria2");
    scenario.sees("starting the next kernel: console=ttyS0 second.stage=yes");
    scenario.sees("Kernel command line: console=ttyS0 second.stage=yes");
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
}
