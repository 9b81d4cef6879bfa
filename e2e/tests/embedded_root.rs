//! One file is the whole system: it boots where nobody answers anything.

use bootwright_e2e::{LOGIN, Scenario};
use bootwright_vm::{Road, machine::Firmware};

#[test]
fn an_image_with_an_embedded_root_boots_without_any_server() {
    let scenario = Scenario::new("hello-embed").boot(Road::Esp, Firmware::Uefi);
    scenario.sees(LOGIN);
}
