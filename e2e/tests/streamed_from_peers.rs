//! Mode `stream` from other machines: the server goes as soon as there is a root to read from.

use bootwright_e2e::{LOGIN, Scenario};

/// Megabits a second: the root takes minutes, a login does not.
const SLOW: u32 = 16;

/// MiB of the machine, for the root and the system.
const MEMORY: u32 = 1536;

/// Where the machine is found when there is nobody left to ask for it.
const ADDRESS: &str = "10.77.0.60";

#[test]
#[ignore = "long"]
fn two_peers_go_on_where_the_server_stops_and_the_machine_gives_what_it_got() {
    let append = format!(
        "ip={ADDRESS}::10.77.0.1:24::eth0:none bootwright.image=http://10.77.0.1/images/hello-stream/image.json \
         systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900"
    );
    let scenario = Scenario::new("hello-stream").serve().two_libtorrents();
    let mut scenario = scenario.boot_directly(&append, MEMORY).slow_down(SLOW);
    scenario.sees("streaming root.img: /dev/dm-0 on /dev/nbd0");
    scenario.kill_server();
    scenario.sees("gives the root to others for 60 min when it is whole");
    scenario.sees(LOGIN);
    scenario.types("root\n");
    scenario.sees("Hello from bootwright");
    scenario.full_speed();
    scenario.sees("the root is complete, on /dev/loop0: nothing depends on the network any more");
    // The server was a peer as well, as long as it was there.
    let account = scenario.sees(r"MiB streamed in .* MiB from mirrors, .* MiB from [23] peers");
    let of_peers =
        if account.contains(" MiB from 3 peers") { " MiB from 3 peers" } else { " MiB from 2 peers" };
    let mib = |from: &str| -> f32 {
        let text = account.split(from).next().and_then(|text| text.rsplit(' ').next());
        text.and_then(|number| number.parse().ok()).expect("a number of MiB")
    };
    let (mirrors, peers) = (mib(" MiB from mirrors"), mib(of_peers));
    assert!(peers > 3.0 * mirrors, "{account}");
    assert_eq!(scenario.leeched(ADDRESS), scenario.root().digest);
    scenario.types("systemctl stop bootwright-seed; dmesg | grep -o 'seeding ends.*'\n");
    scenario.sees(r"^seeding ends: [1-9][0-9]* MiB went to [1-9][0-9]* peers");
}
