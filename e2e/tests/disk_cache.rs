//! Mode `disk`: the root is kept on the machine's own disk from one boot to the next.

use bootwright_e2e::{KEPT, LOGIN, Scenario};
use bootwright_image::timeline::Stage;

/// MiB of the machine's disk.
const DISK: u64 = 512;

#[test]
#[ignore = "long"]
fn the_second_boot_fetches_the_manifest_alone_and_what_is_damaged_is_fetched_again() {
    let scenario = Scenario::new(KEPT).with_disk(DISK).serve();
    let size = scenario.root().size;
    let scenario = scenario.boot_directly("bootwright.cache=create", 768);
    scenario.sees("a partition for the cache was made on vda: /dev/vda1");
    scenario.sees("every byte of the root is verified: .* fetched, 0\\.[0-9] MiB were there");
    scenario.sees("root: erofs on /dev/dm-1, writable in memory");
    scenario.sees(LOGIN);
    scenario.reports(Stage::System, "");
    let first = scenario.sent();
    assert!(first * 100 > size * 95, "{first} of {size} bytes at the first boot");
    // The disk was blank; that it is touched had to be said once.
    let mut scenario = scenario.switch_off().boot_directly("", 768);
    scenario.sees("the image is in the cache, nothing of it is fetched");
    scenario.sees(LOGIN);
    scenario.reports(Stage::Fetch, "nothing of it is fetched");
    scenario.reports(Stage::System, "");
    let second = scenario.sent() - first;
    assert!(second * 100 < size, "{second} of {size} bytes at the second boot");
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    // It is read from the disk: no copy of it is in memory.
    scenario.types("ls /run/bootwright/image; cat /sys/block/dm-0/dm/name /sys/block/dm-0/slaves/*/dev\n");
    scenario.sees("cannot access");
    scenario.sees("^bootwright-cache");
    let scenario = scenario.switch_off();
    assert!(scenario.kept().1.state.good, "{:?}", scenario.kept());
    let scenario = scenario.damage_what_is_kept(size / 2).damage_what_is_kept(size / 3);
    let before = scenario.sent();
    let scenario = scenario.boot_directly("", 768);
    scenario.sees("2 of the cache's chunks are damaged");
    scenario.sees("every byte of the root is verified: 0.5 MiB fetched");
    scenario.sees(LOGIN);
    scenario.reports(Stage::Fetch, "chunks are damaged");
    let third = scenario.sent() - before;
    assert!(third < size / 50, "{third} of {size} bytes for two chunks");
}
