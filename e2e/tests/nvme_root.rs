//! A root on a second machine by NVMe over TCP: the kernel's own target, in a guest of ours.

use bootwright_e2e::{LOGIN, Scenario};

const TARGET: &str = "ip=10.77.0.60::10.77.0.1:24::eth0:none \
                      bootwright.image=http://10.77.0.1/images/hello/image.json";

const ROOT: &str = "ip=10.77.0.61::10.77.0.1:24::eth0:none rd.nvmf.discover=tcp,10.77.0.60,,4420 \
                    root=/dev/nvme0n1 bootwright.verify=off bootwright.on_failure=poweroff,2";

/// The target has its own root's file as a namespace, and lets everybody in.
const SERVE: &str = "modprobe nvmet-tcp && cd /sys/kernel/config/nvmet && S=subsystems/nqn.2014-08.lab:root && mkdir $S \
                     && echo 1 > $S/attr_allow_any_host && mkdir $S/namespaces/1 \
                     && echo 1 > $S/namespaces/1/buffered_io \
                     && echo /run/bootwright/image/root.img > $S/namespaces/1/device_path \
                     && echo 1 > $S/namespaces/1/enable && mkdir ports/1 && cd ports/1 && echo tcp > addr_trtype \
                     && echo ipv4 > addr_adrfam && echo 10.77.0.60 > addr_traddr && echo 4420 > addr_trsvcid \
                     && ln -s ../../subsystems/nqn.2014-08.lab:root subsystems/ && echo serving-$((6*7))\n";

#[test]
#[ignore = "long"]
fn a_root_on_a_second_machine_is_used_where_it_is() {
    let mut scenario = Scenario::new("hello").serve().boot_directly(TARGET, 1024);
    scenario.sees(LOGIN);
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.types(SERVE);
    scenario.sees("^serving-42");
    let mut scenario = scenario.without_a_pin().boot_another_directly(ROOT);
    scenario.sees("connected to nqn.2014-08.lab:root at 10.77.0.60 port 4420");
    scenario.sees("root: .* on /dev/nvme0n1, /dev/nvme0n1 by NVMe from 10.77.0.60:4420, writable in memory");
    scenario.sees(LOGIN);
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    // All of it, from the other machine.
    scenario.types("cat /dev/nvme0n1 | wc -c; cat /sys/class/nvme/nvme*/transport; echo read-$((6*7))\n");
    scenario.sees("^tcp");
    scenario.sees("^read-42");
}
