//! What a machine is like when its root is complete: asked of its own shell, on the console.

use bootwright_vm::{Machine, Service};

use super::{Row, see};
use crate::Result;
use crate::bench::median;

/// Reads so many MiB of the device that was streamed, and of the loop device below it, thrice in turns and nothing out
/// of a cache; then tells the memory of the processes of ours, and of what they left in /run beside the root.
const SCRIPT: &str = r#"for n in 1 2 3; do for d in loop0 dm-0; do
echo 3 > /proc/sys/vm/drop_caches; s=$(date +%s%N); dd if=/dev/$d of=/dev/null bs=1M count=1024 2>/dev/null
e=$(date +%s%N); echo "read-$d-$(( (e - s) / 1000 ))-us"; done; done
k=$(du -sk --exclude=root.img /run/bootwright | cut -f1)
for c in $(grep -lsz '^@bootwright' /proc/[0-9]*/cmdline); do
k=$(( k + $(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' ${c%cmdline}status) )); done; echo "held-$k-KiB"
"#;
/// Memory that may be held beyond the root itself.
const MEMORY: f64 = 16.0;

/// Logs in and measures.
pub fn rows(machine: &mut Machine, server: &Service) -> Result<Vec<Row>> {
    let typed =
        |machine: &mut Machine, text: &str| machine.type_text(text).map_err(|error| error.to_string());
    typed(machine, "root\n")?;
    let [] = see(machine, server, "Hello from bootwright")?;
    typed(machine, SCRIPT)?;
    let mut took = (Vec::new(), Vec::new());
    for _ in 0..3 {
        for (device, times) in [("loop0", &mut took.0), ("dm-0", &mut took.1)] {
            let [micros] = see(machine, server, &format!(r"^read-{device}-(\d+)-us"))?;
            times.push(micros / 1e6);
        }
    }
    let [held] = see(machine, server, r"^held-(\d+)-KiB")?.map(|kib| kib / 1024.0);
    let (file, streamed) = (1024.0 / median(took.0), 1024.0 / median(took.1));
    Ok(vec![
        Row {
            what: "read rate of the streamed device, complete".into(),
            ours: format!("{streamed:.0} MiB/s"),
            peer: format!("the loop device over the same file: {file:.0} MiB/s"),
            ratio: streamed / file,
            aim: "≥ 0.9",
            met: streamed >= 0.9 * file,
        },
        Row {
            what: "memory held after switch_root, beside the root, complete".into(),
            ours: format!("{held:.1} MiB"),
            peer: format!("the aim: {MEMORY} MiB"),
            ratio: held / MEMORY,
            aim: "≤ 1.0",
            met: held <= MEMORY,
        },
    ])
}
