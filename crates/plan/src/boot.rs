//! Where the root or the next kernel comes from, and what vouches for its bytes.

use bootwright_image::manifest::Mode;
use bootwright_image::{Digest, Pin};
use url::Url;

use crate::Instructions;
use crate::address::{self, AddressError, ImageAddress};
use crate::remote::{self, Remote};

/// Where reports go at the server that has the image.
const REPORT: &str = "/v1/report";

/// Where the agent goes for its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot<'a> {
    /// Into the initrd: mode `embed`.
    Embedded(&'a Pin),
    /// To a disk, stick or CD of this machine and nowhere else: `bootwright.image=disk:`.
    Medium(&'a Pin),
    /// To a server.
    Server(ImageAddress),
    /// To another machine's block device, on which the pinned image has to be.
    RemoteMedium(Remote, &'a Pin),
    /// To another machine's block device or directory, which nobody verifies.
    Remote(Remote),
    /// Nobody says where: to a medium or to the server that DHCP tells of, whichever is there first.
    Nearest(&'a Pin),
    /// Nobody says where and no pin says what a medium would have to hold: to the server that DHCP tells of.
    Discover,
}

/// A line that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The root is said to be embedded, and is not.
    #[error("mode embed, but this initrd has no pin and so no root in it")]
    EmbedWithoutPin,
    /// A medium is found by its pin.
    #[error(
        "bootwright.image=disk: needs an initrd that pins an image: nothing says which medium is the right one"
    )]
    MediumWithoutPin,
    /// Nothing vouches for a root on another machine.
    #[error(
        "the root {0} is refused: nothing says what its bytes must be. Boot an initrd that pins an image which is on it, \
         or say that this is meant, by bootwright.verify=off"
    )]
    Unverified(String),
    /// The root on another machine cannot be understood.
    #[error("{0}")]
    Remote(String),
    /// The image's address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Decides where to go; `variable` reads a firmware variable.
///
/// # Errors
/// [`Refusal`] when the line asks for what cannot be.
pub fn decide(
    instructions: &Instructions,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Boot<'_>, Refusal> {
    let pin = instructions.pin.as_ref();
    match (instructions.mode(), pin) {
        (Mode::Embed, Some(pin)) => return Ok(Boot::Embedded(pin)),
        (Mode::Embed, None) => return Err(Refusal::EmbedWithoutPin),
        _ => {}
    }
    if address::is_on_disk(instructions) {
        return pin.map(Boot::Medium).ok_or(Refusal::MediumWithoutPin);
    }
    if instructions.options.image.is_none()
        && let Some(remote) = remote::read(&instructions.line).map_err(Refusal::Remote)?
    {
        match pin {
            Some(pin) if remote.is_device() => return Ok(Boot::RemoteMedium(remote, pin)),
            // A directory cannot be compared with a digest: the pinned image counts.
            Some(_) => {}
            None if instructions.options.verify_off => return Ok(Boot::Remote(remote)),
            None => return Err(Refusal::Unverified(remote.describe())),
        }
    }
    Ok(match (address::known(instructions, variable)?, pin) {
        (Some(address), _) => Boot::Server(address),
        (None, Some(pin)) => Boot::Nearest(pin),
        (None, None) => Boot::Discover,
    })
}

/// What the bytes of an image are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trusted {
    /// Of the root manifest, or of a single file that needs none.
    pub digest: Digest,
    /// `bootwright.digest=` says something else than the pin, and has no effect.
    pub overruled: bool,
}

/// The digest that counts: the pin's, else that of the line; `None` when there is neither.
pub fn trusted(pin: Option<&Pin>, given: Option<Digest>) -> Option<Trusted> {
    match (pin, given) {
        (Some(pin), given) => Some(Trusted {
            digest: pin.root_manifest,
            overruled: given.is_some_and(|given| given != pin.root_manifest),
        }),
        (None, Some(digest)) => Some(Trusted { digest, overruled: false }),
        (None, None) => None,
    }
}

/// Host and port of a URL, for people.
pub fn server_of(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Where the machine's reports go: `bootwright.report=`, else the server that has the image.
pub fn report(given: Option<&str>, image: Option<&Url>) -> Option<Url> {
    match given {
        Some(text) => Url::parse(text).ok(),
        None => image.and_then(|image| image.join(REPORT).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::tests::pin;

    fn decided(pin: Option<Pin>, line: &str) -> String {
        match decide(&Instructions::combine(pin, line), |_| None) {
            Ok(Boot::Embedded(_)) => "embedded".to_owned(),
            Ok(Boot::Medium(_)) => "medium".to_owned(),
            Ok(Boot::RemoteMedium(remote, _)) => format!("pinned on {}", remote.describe()),
            Ok(Boot::Remote(remote)) => remote.describe(),
            Ok(Boot::Nearest(_)) => "nearest".to_owned(),
            Ok(Boot::Server(address)) => address.url.to_string(),
            Ok(Boot::Discover) => "discover".to_owned(),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn the_line_and_the_pin_say_where_to_go() {
        assert_eq!(decided(Some(pin("")), "bootwright.mode=embed"), "embedded");
        assert_eq!(decided(Some(pin("")), "bootwright.image=disk:"), "medium");
        assert_eq!(decided(Some(pin("")), "quiet"), "nearest");
        assert_eq!(decided(None, "quiet"), "discover");
        assert_eq!(decided(None, "bootwright.image=http://s/a/image.json"), "http://s/a/image.json");
    }

    #[test]
    fn a_root_on_another_machine_is_a_medium_or_has_to_be_meant() {
        let nbd = "root=nbd:10.0.0.1:root";
        assert_eq!(decided(Some(pin("")), nbd), "pinned on root by NBD from 10.0.0.1:10809");
        assert!(decided(None, nbd).contains("bootwright.verify=off"));
        assert_eq!(decided(None, &format!("{nbd} bootwright.verify=off")), "root by NBD from 10.0.0.1:10809");
        assert_eq!(decided(Some(pin("")), "root=nfs:s:/srv"), "nearest");
        assert_eq!(decided(None, "root=nfs:s:/srv bootwright.verify=off"), "/srv by NFS from s");
        assert_eq!(decided(None, &format!("{nbd} bootwright.image=http://s/a.img")), "http://s/a.img");
    }

    #[test]
    fn what_needs_a_pin_is_refused_without_one() {
        assert!(decided(None, "bootwright.mode=embed").contains("no pin"));
        assert!(decided(None, "bootwright.image=disk:").contains("needs an initrd that pins"));
        assert!(decided(None, "bootwright.image=tftp://s/x").contains("the scheme is tftp"));
    }

    #[test]
    fn the_pin_counts_before_the_line() {
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        let pinned = Pin { root_manifest: one, ..pin("") };
        assert_eq!(trusted(Some(&pinned), Some(other)), Some(Trusted { digest: one, overruled: true }));
        assert_eq!(trusted(Some(&pinned), Some(one)), Some(Trusted { digest: one, overruled: false }));
        assert_eq!(trusted(None, Some(other)), Some(Trusted { digest: other, overruled: false }));
        assert_eq!(trusted(None, None), None);
    }

    #[test]
    fn reports_go_to_the_server_of_the_image_unless_the_line_says_otherwise() {
        let image = Url::parse("http://10.0.0.1:8080/images/a/image.json").unwrap();
        let found = report(None, Some(&image)).unwrap();
        assert_eq!(found.as_str(), "http://10.0.0.1:8080/v1/report");
        let given = report(Some("https://log.example/x"), Some(&image)).unwrap();
        assert_eq!(given.as_str(), "https://log.example/x");
        assert_eq!(report(None, None), None);
    }
}
