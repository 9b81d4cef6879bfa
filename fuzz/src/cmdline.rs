//! The kernel command line.

use bootwright_image::cmdline::{BootOptions, CommandLine};
use bootwright_plan::{Instructions, explain};

/// Every text is a command line; reading our options from it never fails otherwise than by a list.
pub fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let line = CommandLine::parse(&text);
    let _ = BootOptions::read(&line);
    let _ = line.to_string();
    let explanation = explain(&Instructions::combine(None, &text));
    assert_eq!(explanation.parameters.len(), line.parameters.len());
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    b"quiet \"a=b c\" bootwright.image=http://10.0.0.1/images/a/image.json bootwright.on_failure=shell,30 \
      ip=10.0.0.2::10.0.0.1:24::eth0:none:10.0.0.3 ip=[fd00::2]::[fd00::1]:64::eth1:none vlan=vlan5:bond0 \
      bond=bond0:eth0,eth1:mode=1,miimon=100:9000 ifname=a:52:54:00:12:34:56 BOOTIF=01-52-54-00-12-34-56 rd.route=10.9.0.0/16:10.0.0.1 \
      bootwright.compat=aria2 kernel_url=http://s/k -- x"
        .to_vec()
}
