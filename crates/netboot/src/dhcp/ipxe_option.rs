//! iPXE's encapsulated options, DHCP option 175: code, length, bytes …, in iPXE's own number space.

use super::code;
use super::options::Options;

/// Sub-option 176: iPXE does not wait 2 s for a proxyDHCP offer.
pub const NO_PXEDHCP: u8 = 176;
/// Feature: fetches by HTTP.
pub const FEATURE_HTTP: u8 = 0x13;
/// Feature codes are the sub-options 16 to 127 (iPXE's `features.h`).
const FEATURES: std::ops::RangeInclusive<u8> = 16..=127;

/// The features that an iPXE lists. An option that is cut short lists what came before.
pub fn features(option: &[u8]) -> Vec<u8> {
    let mut listed = Options::default();
    // A damaged tail is no reason to take iPXE for something else.
    let _ = listed.read(option, 0);
    listed.iter().map(|(code, _)| code).filter(|code| FEATURES.contains(code)).collect()
}

/// Adds to an answer what an iPXE that boots from us shall do.
pub fn answer(options: &mut Options) {
    options.put(code::IPXE, [NO_PXEDHCP, 1, 1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_told_from_settings() {
        // What QEMU's ROM sends: bus id 177, then features.
        let option = [177, 5, 1, 0x80, 0x86, 0x10, 0x0e, 235, 3, 1, 0, 0, 0x13, 1, 1, 0x21, 1, 1];
        assert_eq!(features(&option), [0x13, 0x21]);
        assert_eq!(features(&[0x13]), []);
    }
}
