//! What firmware's loader would refuse, or what would boot and then go wrong.
//!
//! Not looked at: addresses that are no multiple of SectionAlignment. Stubs that everybody uses have them.

use bootwright_formats::pe::Image;

use crate::node::{Node, Severity};

const REBUILD: &str = "build it again with bootwright uki build, or objcopy with right addresses";

pub(super) fn look(node: &mut Node, image: &Image) {
    let mut loaded: Vec<_> = image.sections.iter().filter(|section| section.virtual_size > 0).collect();
    loaded.sort_by_key(|section| section.virtual_address);
    let mut end = u64::from(image.size_of_headers);
    for section in loaded {
        let start = u64::from(section.virtual_address);
        if start < end {
            let what =
                format!("section {} is loaded at {start:#x}, over what ends at {end:#x}", section.name);
            node.problem(Severity::Error, u64::from(section.raw_offset), what, REBUILD);
        }
        end = end.max(start + u64::from(section.virtual_size));
        if is_content(&section.name) && section.virtual_size > section.raw_size {
            let what = format!(
                "section {}: VirtualSize {} is more than SizeOfRawData {}: zeros are measured and passed on",
                section.name, section.virtual_size, section.raw_size
            );
            node.problem(Severity::Error, u64::from(section.raw_offset), what, REBUILD);
        }
    }
    if end > u64::from(image.size_of_image) {
        let size = image.size_of_image;
        let what = format!("SizeOfImage is {size:#x}, its sections end at {end:#x}: firmware refuses it");
        node.problem(Severity::Error, None, what, REBUILD);
    }
}

/// Sections of a UKI that hold data whose exact length matters.
fn is_content(name: &str) -> bool {
    [".linux", ".initrd", ".cmdline", ".osrel", ".ucode", ".dtb", ".uname", ".pcrsig", ".pcrpkey"]
        .contains(&name)
}
