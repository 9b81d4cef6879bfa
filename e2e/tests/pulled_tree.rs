//! systemd's `rd.systemd.pull=tar`: a tree of files, packed by xz, as the root.

use bootwright_e2e::{FILES, Scenario};

#[test]
fn a_tree_is_unpacked_into_memory_and_entered() {
    let scenario = Scenario::new("hello")
        .making_small_tree()
        .making("tar -c --owner=0 --group=0 -C tree . | xz -1 > tree.tar.xz")
        .serve()
        .nginx_of_files();
    let append = format!(
        "rd.systemd.pull=tar,machine,verify=no:root:{FILES}/tree.tar.xz root=bind:/run/machines/root"
    );
    let mut scenario = scenario.boot_unpinned(&append, 512);
    scenario.sees("nobody verified .*tree.tar.xz: the command line says so");
    scenario.sees("the root is a tree of .* files, .* unpacked from xz");
    scenario.sees("proof: PID 1, busybox is 4755:0:1, / is tmpfs");
    scenario.powers_off();
}
