//! A root on a server of network block devices that others wrote.

use bootwright_e2e::{LOGIN, NBD, Scenario};

#[test]
#[ignore = "long"]
fn a_root_that_is_meant_to_be_unverified_is_used_where_it_is() {
    let scenario = Scenario::new("hello").serve();
    let root = scenario.image().join("root.img");
    let append = format!("root=nbd:{NBD} bootwright.verify=off bootwright.on_failure=poweroff,2");
    let mut scenario = scenario.qemu_nbd(&root).without_a_pin().boot_directly(&append, 768);
    scenario.sees("nobody verifies the root root by NBD from 10.77.0.4:10809");
    scenario.sees("root: .* on /dev/nbd0, .*, writable in memory");
    scenario.sees(LOGIN);
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    // Writing to it goes into memory.
    scenario.types("touch /etc/here && cat /sys/block/nbd0/ro && echo written-$((6*7))\n");
    scenario.sees("^written-42");
    // Reads wait while the server is away, and go on when it is back.
    let scenario = scenario.qemu_nbd_is_away(&root, |scenario| {
        scenario.sees("reads wait until it answers again");
        scenario.types("echo 3 > /proc/sys/vm/drop_caches; cat /usr/bin/* | wc -c; echo read-$?\n");
        std::thread::sleep(std::time::Duration::from_secs(5));
    });
    scenario.sees("10.77.0.4:10809: connected again, reads of the root go on");
    scenario.sees("^read-0");
}

#[test]
#[ignore = "long"]
fn without_a_word_nothing_unverified_boots() {
    let append = format!("root=nbd:{NBD} bootwright.on_failure=poweroff,2");
    let mut scenario = Scenario::new("hello").without_a_pin().boot_directly(&append, 768);
    scenario.sees("the root root by NBD from .* is refused: nothing says what its bytes must be");
    scenario.powers_off();
}

#[test]
#[ignore = "long"]
fn the_pinned_image_is_found_on_a_disk_of_another_machine() {
    let scenario = Scenario::new("hello-media").serve();
    let disk = scenario.image().join("hello-media.raw");
    let append = format!("root=nbd:{NBD} bootwright.on_failure=poweroff,2");
    let scenario = scenario.qemu_nbd(&disk).boot_directly(&append, 1024);
    scenario.sees("reading nbd0, partition");
    scenario.sees("every byte of the root is verified");
    scenario.sees(LOGIN);
}
