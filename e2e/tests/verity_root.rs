//! A root with a dm-verity tree: the kernel verifies it for as long as the system runs.

use bootwright_e2e::Scenario;

/// Turns the lowest bit of byte `$1` of the file that the root is read from.
const FLIP: &str = r#"flip() { f=/run/bootwright/image/root.img; b=$(od -An -tu1 -j$1 -N1 $f); \
printf "\\x$(printf %x $((b ^ 1)))" | dd of=$f bs=1 seek=$1 conv=notrunc status=none; }"#;

/// Reads block 1000 of the root from the device, past every cache.
const READ: &str = "dd if=/dev/dm-0 of=/dev/null bs=4096 skip=1000 count=1 iflag=direct 2>&1 | tail -n 1";

#[test]
fn a_bit_that_flips_after_the_boot_is_refused_by_the_kernel() {
    let mut scenario = Scenario::new("hello-stream").serve().boot_directly("bootwright.mode=ram", 1536);
    let hash = scenario.root().verity.map(|verity| verity.root_hash.hex()).unwrap_or_default();
    scenario.sees(&format!("the kernel verifies each block of /dev/loop0 by the root hash {hash}"));
    scenario.sees(r"root: erofs on /dev/dm-0");
    scenario.sees("hello login:");
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.types("cat /sys/block/dm-0/dm/uuid\n");
    scenario.sees(&format!("^CRYPT-VERITY-{}-bootwright-root", &hash[..32]));
    scenario.types(&format!("{FLIP}\n"));
    scenario.types(&format!("{READ}\n"));
    scenario.sees("^4096 bytes");
    scenario.types(&format!("flip {}; {READ}\n", 1000 * 4096 + 77));
    scenario.sees("^dd: error reading '/dev/dm-0': Input/output error|^0 bytes");
    scenario.types("dmesg | grep 'is corrupted' | tail -n 1\n");
    scenario.sees("data block 1000 is corrupted");
    // The bit turned back, the same block is read again.
    scenario.types(&format!("flip {}; {READ}\n", 1000 * 4096 + 77));
    scenario.sees("^4096 bytes");
}
