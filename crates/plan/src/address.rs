//! Which image: its address, in the order of the command line's manual page.
//!
//! `bootwright.image=`, a [root by another system's names](crate::foreign_root) where nothing is pinned, what the build
//! put into the initrd, the URL that the firmware loaded the UKI from
//! ([`URL_VARIABLES`]), and last what a server answered to our DHCP.

use std::fmt;

use url::Url;

use crate::{Instructions, live, pull};

/// `bootwright.image=disk:`: the image lies on a local disk, stick or CD.
const DISK: &str = "disk:";

/// The variables of the Boot Loader Interface with the URL that the UKI was loaded from, the most exact first.
pub const URL_VARIABLES: &[&str] = &["StubDeviceURL", "LoaderDevicePartURL", "LoaderDeviceURL"];

/// The name of the manifest beside the artifacts.
const MANIFEST: &str = "image.json";

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `bootwright.image=`.
    CommandLine,
    /// The pin in the initrd.
    Pin,
    /// A variable of the firmware.
    Firmware,
    /// The answer to our DHCP.
    Dhcp,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandLine => "the command line",
            Self::Pin => "the initrd",
            Self::Firmware => "the firmware",
            Self::Dhcp => "DHCP",
        })
    }
}

/// The address of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageAddress {
    /// The URL of `image.json`, or of a single file.
    pub url: Url,
    /// Who said it.
    pub origin: Origin,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin} names the image {text:?}, which is no http:// or https:// URL: {problem}")]
pub struct AddressError {
    /// Who said it.
    pub origin: Origin,
    /// What was said.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl ImageAddress {
    /// Reads an address.
    pub fn parse(text: &str, origin: Origin) -> Result<Self, AddressError> {
        let error = |problem: String| AddressError { origin, text: text.to_owned(), problem };
        let url = Url::parse(text).map_err(|problem| error(problem.to_string()))?;
        match url.scheme() {
            "http" | "https" => Ok(Self { url, origin }),
            "ftp" | "ftps" if cfg!(feature = "ftp") => Ok(Self { url, origin }),
            "ftp" | "ftps" => Err(error("an agent takes FTP when it was built with the feature ftp".into())),
            other => Err(error(format!("the scheme is {other}"))),
        }
    }

    /// Whether it names a manifest (or the directory that has one), not a single file.
    pub fn is_manifest(&self) -> bool {
        let path = self.url.path();
        path.ends_with('/') || path.ends_with(".json")
    }

    /// Whether it names a UKI, which is started by kexec, instead of an image directory.
    pub fn is_uki(&self) -> bool {
        self.url.path().ends_with(".efi")
    }

    /// The URL of the file `name` beside it.
    pub fn sibling(&self, name: &str) -> Result<Url, url::ParseError> {
        self.url.join(name)
    }
}

/// Whether the command line says that the image lies on a local medium.
pub fn is_on_disk(instructions: &Instructions) -> bool {
    instructions.options.image.as_deref() == Some(DISK)
}

/// The address, as far as it is known without asking the network. `variable` reads a firmware variable.
pub fn known(
    instructions: &Instructions,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<ImageAddress>, AddressError> {
    if is_on_disk(instructions) {
        return Ok(None);
    }
    if let Some(text) = &instructions.options.image {
        return ImageAddress::parse(text, Origin::CommandLine).map(Some);
    }
    if instructions.pin.is_none()
        && let Some(named) = of_another_system(instructions, &variable)
    {
        return named.map(Some);
    }
    if let Some(text) = instructions.pin.as_ref().and_then(|pin| pin.image.as_ref()) {
        return ImageAddress::parse(text, Origin::Pin).map(Some);
    }
    // A UKI that was loaded from elsewhere (a disk, TFTP) has an address that is not ours: no error.
    let loaded = URL_VARIABLES.iter().find_map(|name| {
        let address = ImageAddress::parse(&variable(name)?, Origin::Firmware).ok()?;
        let url = address.sibling(MANIFEST).ok()?;
        Some(ImageAddress { url, ..address })
    });
    Ok(loaded)
}

/// A root by the names of another system.
fn of_another_system(
    instructions: &Instructions,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<Result<ImageAddress, AddressError>> {
    let origin = Origin::CommandLine;
    if let Some((pull, _)) = pull::root(&instructions.line) {
        let address = match pull.url(variable) {
            Ok(url) => ImageAddress::parse(url.as_str(), origin),
            Err(problem) => Err(AddressError { origin, text: pull.remote, problem }),
        };
        return Some(address);
    }
    live::url(&instructions.line).map(|text| ImageAddress::parse(text, origin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::cmdline::{BootOptions, CommandLine};

    fn instructions(line: &str) -> Instructions {
        let line = CommandLine::parse(line);
        let (options, _) = BootOptions::read(&line);
        Instructions { line, options, pin: None, signers: false, warnings: vec![] }
    }

    #[test]
    fn the_command_line_comes_before_the_firmware() {
        let firmware =
            |name: &str| (name == "LoaderDeviceURL").then(|| "http://10.0.0.1/images/a/image.efi".into());
        let found =
            known(&instructions("bootwright.image=https://b/c/image.json"), firmware).unwrap().unwrap();
        assert_eq!((found.url.as_str(), found.origin), ("https://b/c/image.json", Origin::CommandLine));
        let found = known(&instructions(""), firmware).unwrap().unwrap();
        assert_eq!(
            (found.url.as_str(), found.origin),
            ("http://10.0.0.1/images/a/image.json", Origin::Firmware)
        );
        assert_eq!(known(&instructions(""), |_| Some("tftp://x/y".into())), Ok(None));
    }

    #[test]
    fn a_live_root_of_another_system_counts_where_nothing_is_pinned() {
        let line = "root=live:http://s/root.squashfs";
        let found = known(&instructions(line), |_| None).unwrap().unwrap();
        assert_eq!((found.url.as_str(), found.is_manifest()), ("http://s/root.squashfs", false));
        let pinned = Instructions::combine(Some(crate::instructions::tests::pin("")), line);
        assert_eq!(known(&pinned, |_| None), Ok(None));
    }

    #[test]
    fn an_address_of_another_scheme_is_refused_with_its_origin() {
        assert_eq!(known(&instructions("bootwright.image=disk:"), |_| None), Ok(None));
        let error = known(&instructions("bootwright.image=nfs://b/c"), |_| None).unwrap_err();
        assert!(error.to_string().starts_with("the command line names the image \"nfs://b/c\""), "{error}");
    }

    #[test]
    fn an_image_behind_ftp_is_one_for_an_agent_that_has_it() {
        let address = ImageAddress::parse("ftp://s/images/a/image.json", Origin::CommandLine);
        match cfg!(feature = "ftp") {
            true => assert_eq!(
                address.unwrap().sibling("root.json").unwrap().as_str(),
                "ftp://s/images/a/root.json"
            ),
            false => assert!(address.unwrap_err().to_string().contains("the feature ftp")),
        }
    }

    #[test]
    fn files_lie_beside_the_manifest() {
        let address = ImageAddress::parse("http://s:8080/images/a/image.json?x=1", Origin::Dhcp).unwrap();
        assert!(address.is_manifest());
        assert_eq!(address.sibling("root.img").unwrap().as_str(), "http://s:8080/images/a/root.img");
        assert!(!ImageAddress::parse("http://s/root.squashfs", Origin::Dhcp).unwrap().is_manifest());
    }
}
