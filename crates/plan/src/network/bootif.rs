//! `BOOTIF=`: the interface that the firmware booted from.

use bootwright_netboot::Mac;

/// Reads `52:54:00:12:34:56` or `52-54-00-12-34-56`, and both with the hardware type of Ethernet (01)
/// before it, as pxelinux and iPXE write it.
pub fn parse(text: &str) -> Option<Mac> {
    match text.parse() {
        Ok(mac) => Some(mac),
        Err(_) => text.strip_prefix("01").and_then(|rest| rest.strip_prefix(['-', ':']))?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bootif_is_read_with_and_without_the_hardware_type() {
        let mac = Some(Mac([0x52, 0x54, 0, 0xab, 0xcd, 0xef]));
        for text in ["01-52-54-00-AB-CD-EF", "52:54:00:ab:cd:ef", "52-54-00-ab-cd-ef", "01:52:54:00:ab:cd:ef"]
        {
            assert_eq!(parse(text), mac, "{text}");
        }
        for text in ["", "52:54", "20-52-54-00-ab-cd-ef", "+1:54:00:ab:cd:ef", "52:54:00:ab:cd:ef:00:01"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_an_address_is_read_back(octets: [u8; 6], text in "[0-9a-f:-]{0,24}") {
            let _ = parse(&text);
            let dashed = Mac(octets).to_string().replace(':', "-");
            prop_assert_eq!(parse(&format!("01-{dashed}")), Some(Mac(octets)));
        }
    }
}
