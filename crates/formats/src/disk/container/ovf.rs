//! The OVF descriptor (DMTF DSP0243 1.1): one machine with one disk, as ESXi and VirtualBox want it.
//!
//! The children of an `Item` are in alphabetical order, which the schema demands. ESXi takes the firmware
//! from `vmw:Config`; VirtualBox does not look at that and starts a BIOS.

use std::fmt::Write as _;

use super::{Firmware, Machine};

/// The disk as the descriptor tells of it.
pub(super) struct DiskFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) capacity: u64,
}

/// Of `CIM_OperatingSystem`: "Linux 2.6.x 64-Bit". Newer numbers are not known to all readers.
const LINUX_64: u32 = 100;

pub(super) fn descriptor(machine: &Machine, disk: &DiskFile) -> String {
    let Machine { name, processors, memory, firmware } = machine;
    let DiskFile { name: file, size, capacity } = disk;
    let mut text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
 xmlns:vmw="http://www.vmware.com/schema/ovf">
 <References>
  <File ovf:href="{file}" ovf:id="file1" ovf:size="{size}"/>
 </References>
 <DiskSection>
  <Info>Virtual disks</Info>
  <Disk ovf:capacity="{capacity}" ovf:diskId="vmdisk1" ovf:fileRef="file1"
   ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
 </DiskSection>
 <NetworkSection>
  <Info>Networks</Info>
  <Network ovf:name="VM Network"><Description>The network of the first card</Description></Network>
 </NetworkSection>
 <VirtualSystem ovf:id="{name}">
  <Info>A virtual machine</Info>
  <Name>{name}</Name>
  <OperatingSystemSection ovf:id="{LINUX_64}" vmw:osType="otherLinux64Guest">
   <Info>The operating system</Info>
   <Description>Linux</Description>
  </OperatingSystemSection>
  <VirtualHardwareSection>
   <Info>Virtual hardware</Info>
   <System>
    <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
    <vssd:InstanceID>0</vssd:InstanceID>
    <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
    <vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType>
   </System>
"#
    );
    item(
        &mut text,
        &[
            ("AllocationUnits", "hertz * 10^6"),
            ("ElementName", &format!("{processors} processors")),
            ("InstanceID", "1"),
            ("ResourceType", "3"),
            ("VirtualQuantity", &processors.to_string()),
        ],
    );
    item(
        &mut text,
        &[
            ("AllocationUnits", "byte * 2^20"),
            ("ElementName", &format!("{memory} MiB of memory")),
            ("InstanceID", "2"),
            ("ResourceType", "4"),
            ("VirtualQuantity", &memory.to_string()),
        ],
    );
    item(
        &mut text,
        &[
            ("Address", "0"),
            ("ElementName", "SCSI controller 0"),
            ("InstanceID", "3"),
            ("ResourceSubType", "lsilogic"),
            ("ResourceType", "6"),
        ],
    );
    item(
        &mut text,
        &[
            ("AddressOnParent", "0"),
            ("ElementName", "Hard disk 1"),
            ("HostResource", "ovf:/disk/vmdisk1"),
            ("InstanceID", "4"),
            ("Parent", "3"),
            ("ResourceType", "17"),
        ],
    );
    item(
        &mut text,
        &[
            ("AddressOnParent", "7"),
            ("AutomaticAllocation", "true"),
            ("Connection", "VM Network"),
            ("ElementName", "Network card 1"),
            ("InstanceID", "5"),
            ("ResourceSubType", "E1000"),
            ("ResourceType", "10"),
        ],
    );
    if *firmware == Firmware::Efi {
        text += "   <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"efi\"/>\n";
    }
    text += "  </VirtualHardwareSection>\n </VirtualSystem>\n</Envelope>\n";
    text
}

fn item(text: &mut String, children: &[(&str, &str)]) {
    text.push_str("   <Item>\n");
    for (name, value) in children {
        // Writing to a string does not fail.
        let _ = writeln!(text, "    <rasd:{name}>{value}</rasd:{name}>");
    }
    text.push_str("   </Item>\n");
}
