//! The iPXE script for the machine that asks.
//!
//! UEFI: `chain --name=` starts the UKI and keeps its command line (an empty name leaves LoadOptions
//! empty; anything else would replace it). BIOS: kernel and initrd come as ranges of the same UKI, and
//! the command line of the UKI is written into the script.
//!
//! iPXE expands `${…}` wherever it stands and knows no escape for it, so text from outside either has
//! nothing that iPXE would read (names are checked, titles cleaned) or is refused (command lines).

use std::fmt::Write as _;

use crate::arch::{Architecture, Cpu, Firmware};
use crate::assign::{Choice, ChosenBy};
use crate::machine::{Asker, Facts, Machine};

/// How long the menu waits for a key before it boots the default, in milliseconds.
pub const MENU_TIMEOUT_MS: u32 = 5000;
/// How long a machine waits before it tries again after a failure, in milliseconds.
pub const RETRY_MS: u32 = 10_000;
/// The longest title in the menu, in bytes: a screen is 80 columns wide.
const MAX_TITLE: usize = 60;

/// An image in the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as in its URL.
    pub name: String,
    /// What a person knows it by, `Debian GNU/Linux 13`; may be empty.
    pub title: String,
    /// `.cmdline` of its UKI.
    pub cmdline: String,
}

/// What the server has to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// Scheme and authority: `http://10.0.0.1:8000`.
    pub server: String,
    /// The images, in the order of the [rules](crate::assign::Rules).
    pub entries: Vec<Entry>,
    /// Path of memtest86+ for this kind of firmware, `/memtest.efi`, when there is one.
    pub memtest: Option<String>,
}

/// Why there is no script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// iPXE would change the command line.
    #[error(
        "the command line of image {image} has {token:?}, which iPXE does not pass on as it is: \
         a BIOS machine cannot boot it by iPXE"
    )]
    Cmdline {
        /// The image.
        image: String,
        /// What cannot be passed on.
        token: String,
    },
    /// A name that needs quoting.
    #[error("the image name {0:?} has characters that a URL or an iPXE script would need quoted")]
    Name(String),
    /// The image that was chosen is not in the menu.
    #[error("the image {0:?} is not in the menu")]
    NotInMenu(String),
}

/// The URL of the script for the machine that asks, with what [`from_query`] needs.
pub fn url(server: &str, facts: &Facts) -> String {
    let mac = facts.machine.mac.to_string().replace(':', "-");
    let mut url = format!("{server}/boot.ipxe?mac={mac}");
    if let Some(uuid) = facts.machine.uuid {
        let _ = write!(url, "&uuid={uuid}");
    }
    if let Some(architecture) = facts.architectures.first() {
        let _ = write!(url, "&arch={}", architecture.0);
    }
    url
}

/// The script for an iPXE that does not say who it is (`/boot.ipxe` without a query, `autoexec.ipxe`): it
/// asks again and says so.
pub fn ask(server: &str) -> String {
    format!(
        "#!ipxe\nchain --replace {server}/boot.ipxe\
         ?mac=${{mac:hexhyp}}&uuid=${{uuid}}&platform=${{platform}}&buildarch=${{buildarch}}\n"
    )
}

/// Reads the query of [`url`] or [`ask`]; `None` without a MAC. Whatever else is not understood is left
/// out: a boot does not fail for it.
pub fn from_query(query: &str) -> Option<Facts> {
    let value = |key: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    };
    let mac = value("mac")?.replace("%3A", ":").replace("%3a", ":").parse().ok()?;
    let uuid = value("uuid").and_then(|text| text.parse().ok());
    let code = value("arch").and_then(|text| text.parse().ok()).map(Architecture);
    let architecture = code.or_else(|| {
        let cpu = match value("buildarch")? {
            "arm32" => Cpu::Arm,
            other => other.parse().ok()?,
        };
        let firmware = if value("platform") == Some("efi") { Firmware::Uefi } else { Firmware::Bios };
        let row = |known: &&crate::arch::Known| {
            known.firmware == firmware && (known.cpu == cpu || firmware == Firmware::Bios)
        };
        crate::arch::TABLE.iter().find(row).map(|known| Architecture(known.code))
    });
    Some(Facts {
        machine: Machine { mac, uuid },
        asker: Asker::Ipxe,
        architectures: architecture.into_iter().collect(),
        vendor_class: None,
        user_class: Some("iPXE".to_owned()),
    })
}

/// The script that boots the chosen image. A machine that has a rule of its own boots it at once, and so
/// does every machine when there is one image only; others are shown a menu with the choice as default.
pub fn script(menu: &Menu, facts: &Facts, choice: &Choice<'_>) -> Result<String, ScriptError> {
    let chosen = menu.entries.iter().position(|entry| entry.name == choice.image.name);
    let chosen = chosen.ok_or_else(|| ScriptError::NotInMenu(choice.image.name.clone()))?;
    let ask = menu.entries.len() > 1 && matches!(choice.by, ChosenBy::Kind | ChosenBy::Default);
    let firmware = facts.firmware();
    let mut script = format!("#!ipxe\n# for {}, {facts}\n:start\n", facts.machine.mac);
    if ask {
        show_menu(&mut script, menu, chosen);
    } else {
        let _ = writeln!(script, "goto image{chosen}");
    }
    for (index, entry) in menu.entries.iter().enumerate() {
        match boot_lines(&menu.server, entry, firmware) {
            _ if !ask && index != chosen => {}
            Ok(lines) => {
                let _ = write!(script, "\n:image{index}\n{lines}");
            }
            Err(error) if index == chosen => return Err(error),
            Err(error) => {
                let _ = write!(script, "\n:image{index}\necho {}\ngoto failed\n", plain(&error.to_string()));
            }
        }
    }
    if ask {
        other_items(&mut script, menu, firmware);
    }
    let _ = write!(
        script,
        "\n:failed\necho Could not boot. Trying again in {} seconds.\n\
         prompt --key s --timeout {RETRY_MS} Press s for the iPXE shell && shell ||\ngoto start\n",
        RETRY_MS / 1000
    );
    Ok(script)
}

fn show_menu(script: &mut String, menu: &Menu, chosen: usize) {
    let _ = writeln!(script, "menu Boot from {}", menu.server);
    let _ = writeln!(script, "item --gap -- Images");
    for (index, entry) in menu.entries.iter().enumerate() {
        let _ = writeln!(script, "item image{index} {} {}", plain(&entry.name), plain(&entry.title));
    }
    let _ = writeln!(script, "item --gap -- Other");
    if menu.memtest.is_some() {
        let _ = writeln!(script, "item memtest Memory test (memtest86+)");
    }
    let _ = writeln!(script, "item disk Local disk\nitem shell iPXE shell");
    let _ = writeln!(
        script,
        "choose --default image{chosen} --timeout {MENU_TIMEOUT_MS} target || goto disk\ngoto ${{target}}"
    );
}

fn other_items(script: &mut String, menu: &Menu, firmware: Firmware) {
    let bios = firmware == Firmware::Bios;
    if let Some(path) = &menu.memtest {
        let (server, path) = (&menu.server, plain(path));
        let start = if bios { "kernel" } else { "chain" };
        let boot = if bios { "boot || goto failed\n" } else { "" };
        let _ = write!(script, "\n:memtest\n{start} {server}{path} || goto failed\n{boot}goto start\n");
    }
    // A status other than 0 makes UEFI go on with its boot order.
    let disk = if bios { "sanboot --no-describe --drive 0x80 || goto failed" } else { "exit 1" };
    let _ = write!(script, "\n:disk\n{disk}\n\n:shell\nshell\ngoto start\n");
}

fn boot_lines(server: &str, entry: &Entry, firmware: Firmware) -> Result<String, ScriptError> {
    let name = &entry.name;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+~".contains(&byte)) {
        return Err(ScriptError::Name(name.clone()));
    }
    let image = format!("{server}/images/{name}");
    if firmware != Firmware::Bios {
        return Ok(format!("chain --name= {image}/image.efi || goto failed\ngoto start\n"));
    }
    let cmdline = passable(name, &entry.cmdline)?;
    Ok(format!(
        "imgfree\n\
         kernel {image}/image.efi/linux initrd=initrd {cmdline} bootwright.image={image}/image.json || goto failed\n\
         initrd --name initrd {image}/image.efi/initrd || goto failed\n\
         boot || goto failed\n"
    ))
}

/// The command line as one line, if iPXE hands it to the kernel as it is.
fn passable(image: &str, cmdline: &str) -> Result<String, ScriptError> {
    let tokens: Vec<&str> = cmdline.trim_end_matches('\0').split_ascii_whitespace().collect();
    let special = |token: &&&str| {
        matches!(**token, "&&" | "||" | ";")
            || token.starts_with('#')
            || token.contains("${")
            || token.chars().any(char::is_control)
    };
    match tokens.iter().find(special) {
        Some(token) => Err(ScriptError::Cmdline { image: image.to_owned(), token: (*token).to_owned() }),
        None => Ok(tokens.join(" ")),
    }
}

/// Text for the screen: nothing in it is read by iPXE.
fn plain(text: &str) -> String {
    let shown = |c: char| if matches!(c, ' '..='~') && !"$#&|;".contains(c) { c } else { '?' };
    text.chars().take(MAX_TITLE).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assign::Image;
    use proptest::prelude::*;

    fn entry(name: &str, title: &str, cmdline: &str) -> Entry {
        Entry { name: name.into(), title: title.into(), cmdline: cmdline.into() }
    }

    fn menu(entries: Vec<Entry>) -> Menu {
        Menu { server: "http://10.0.0.1".into(), entries, memtest: Some("/memtest".into()) }
    }

    fn write(menu: &Menu, query: &str, by: ChosenBy) -> Result<String, ScriptError> {
        let image = Image { name: menu.entries[0].name.clone(), cpu: None };
        script(menu, &from_query(query).unwrap(), &Choice { image: &image, by })
    }

    const EFI: &str =
        "mac=52-54-00-12-34-56&uuid=00112233-4455-6677-8899-aabbccddeeff&platform=efi&buildarch=x86_64";
    const BIOS: &str = "mac=52:54:00:12:34:56&arch=0";

    #[test]
    fn uefi_chains_the_uki_with_its_own_command_line() {
        let text = write(&menu(vec![entry("worker", "", "quiet")]), EFI, ChosenBy::Default).unwrap();
        assert!(text.starts_with("#!ipxe\n"));
        assert!(
            text.contains("\nchain --name= http://10.0.0.1/images/worker/image.efi || goto failed\n"),
            "{text}"
        );
        assert!(!text.contains("menu") && !text.contains("quiet"), "{text}");
    }

    #[test]
    fn bios_gets_kernel_and_initrd_out_of_the_uki_and_its_command_line() {
        let text =
            write(&menu(vec![entry("w", "", "console=ttyS0\n quiet\n")]), BIOS, ChosenBy::Default).unwrap();
        assert!(
            text.contains(
                "kernel http://10.0.0.1/images/w/image.efi/linux initrd=initrd console=ttyS0 quiet \
             bootwright.image=http://10.0.0.1/images/w/image.json || goto failed\n\
             initrd --name initrd http://10.0.0.1/images/w/image.efi/initrd || goto failed\nboot "
            ),
            "{text}"
        );
    }

    #[test]
    fn several_images_make_a_menu_unless_the_machine_has_a_rule_of_its_own() {
        let several = menu(vec![entry("a", "Debian ${evil} 13\n", ""), entry("b", "", "")]);
        let text = write(&several, EFI, ChosenBy::Default).unwrap();
        assert!(text.contains("item image0 a Debian ?{evil} 13?\n"), "{text}");
        for line in ["choose --default image0 ", ":memtest\nchain ", ":disk\nexit 1\n", ":shell\nshell\n"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(
            write(&several, BIOS, ChosenBy::Kind).unwrap().contains("sanboot --no-describe --drive 0x80")
        );
        assert!(!write(&several, EFI, ChosenBy::Machine).unwrap().contains("item "));
    }

    #[test]
    fn a_command_line_that_ipxe_would_change_is_refused_for_bios_only() {
        for cmdline in ["a ${net0/mac}", "a && reboot", "a ; b", "x #y", "a\u{1b}b"] {
            let menu = menu(vec![entry("w", "", cmdline)]);
            assert!(
                matches!(write(&menu, BIOS, ChosenBy::Default), Err(ScriptError::Cmdline { .. })),
                "{cmdline}"
            );
            assert!(write(&menu, EFI, ChosenBy::Default).is_ok());
        }
    }

    #[test]
    fn the_url_tells_what_the_script_needs() {
        let facts = from_query(EFI).unwrap();
        assert_eq!(facts.architectures, [Architecture::UEFI_X64]);
        let url = url("http://10.0.0.1", &facts);
        assert_eq!(from_query(url.split_once('?').unwrap().1).unwrap(), facts);
        assert_eq!(
            from_query("mac=52:54:00:12:34:56&platform=pcbios&buildarch=x86_64").unwrap().architectures,
            [Architecture::BIOS]
        );
        assert!(from_query("uuid=1").is_none());
    }

    proptest! {
        #[test]
        fn no_title_or_name_adds_a_line_or_an_expansion(name in ".{0,80}", title in "\\PC{0,80}|.{0,80}") {
            let menu = menu(vec![entry("a", "", ""), entry(&name, &title, &name)]);
            let text = write(&menu, BIOS, ChosenBy::Default).unwrap();
            prop_assert_eq!(text.matches("${").count(), 1);
            prop_assert!(text.lines().filter(|line| line.starts_with("item ")).count() == 7);
        }

        #[test]
        fn no_query_makes_the_parser_panic(query in ".{0,200}") {
            let _ = from_query(&query);
        }
    }
}
