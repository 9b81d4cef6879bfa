//! A root on a second machine by NFS: the kernel's own server, in a guest of ours.

use bootwright_e2e::{LOGIN, MEDIA, Scenario};

const SERVER: &str = "ip=10.77.0.60::10.77.0.1:24::eth0:none \
                      bootwright.image=http://10.77.0.1/images/hello-media/image.json";

const ROOT: &str = "ip=10.77.0.61::10.77.0.1:24::eth0:none root=nfs4:10.77.0.60:/ bootwright.verify=off \
                    bootwright.on_failure=poweroff,2";

/// A copy of the root in memory, since a squashfs of sqfstar has no table of exports; and what rpc.mountd, rpc.nfsd and
/// exportfs would tell the kernel: who may come, that /mnt is what NFSv4 begins with (fsid 0, read-only, no squashing),
/// and no time of grace for clients that nobody remembers.
const SERVE: &str = "modprobe nfsd && mount -t nfsd nfsd /proc/fs/nfsd; \
                     mount -o loop,ro /run/bootwright/image/root.img /media \
                     && mount -t tmpfs -o size=90% copy /mnt && cp -a /media/. /mnt/ && cd /proc/fs/nfsd \
                     && echo 10 > nfsv4leasetime && echo 10 > nfsv4gracetime && echo -3 > versions \
                     && echo 'tcp 2049' > portlist && cd /proc/net/rpc \
                     && echo 'nfsd 10.77.0.61 9999999999 *' > auth.unix.ip/channel \
                     && echo '* /mnt 9999999999 9219 -2 -2 0' > nfsd.export/channel \
                     && echo '* 1 \\x00000000 9999999999 /mnt' > nfsd.fh/channel \
                     && echo 4 > /proc/fs/nfsd/threads && echo serving-$((6*7))\n";

#[test]
#[ignore = "long"]
fn a_directory_of_a_second_machine_is_used_where_it_is() {
    let mut scenario = Scenario::new(MEDIA).serve().boot_directly(SERVER, 2048);
    scenario.sees(LOGIN);
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.types(SERVE);
    scenario.sees("^serving-42");
    let mut scenario = scenario.without_a_pin().boot_another_directly(ROOT);
    scenario.sees(r"root: 10\.77\.0\.60:/ by NFS \(proto=tcp,vers=4\.2\)");
    scenario.sees(LOGIN);
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.types("grep -c ' nfs4 ' /proc/self/mountinfo; touch /etc/here && echo written-$((6*7))\n");
    scenario.sees("^written-42");
}
