//! Network links as rtnetlink(7) tells and changes them.

mod addresses;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use rtnetlink::{Handle, LinkUnspec, LinkVlan, MulticastGroup, new_multicast_connection};
use tokio::sync::watch;
use tracing::{debug, warn};

pub use addresses::Scope;

use bootwright_netboot::Mac;
use bootwright_plan::network::Vlan;

/// Why the kernel did not change a link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No netlink socket.
    #[error("opening rtnetlink")]
    Open(#[source] std::io::Error),
    /// A request was refused.
    #[error("{doing}")]
    Refused {
        /// What was asked for.
        doing: String,
        /// The kernel's answer.
        source: rtnetlink::Error,
    },
}

/// A wired network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it.
    pub index: u32,
    /// Its name: that of the kernel, since no udev renames in an initrd.
    pub name: String,
    /// Its address.
    pub mac: Mac,
    /// Whether there is a signal.
    pub carrier: bool,
}

/// The links, kept current, and the way to change them.
#[derive(Clone)]
pub struct Links {
    handle: Handle,
    current: watch::Receiver<BTreeMap<u32, Link>>,
}

impl Links {
    /// Lists the links and follows their changes from now on: those with hardware, and those `made` out of them.
    pub async fn open(made: Arc<[String]>) -> Result<Self, LinkError> {
        let (connection, handle, mut messages) =
            new_multicast_connection(&[MulticastGroup::Link]).map_err(LinkError::Open)?;
        tokio::spawn(connection);
        let (sender, current) = watch::channel(BTreeMap::new());
        let listed = handle.link().get().execute().try_collect::<Vec<_>>().await;
        let listed = listed.map_err(refused("listing the links"))?;
        listed.into_iter().for_each(|message| update(&sender, &made, message));
        tokio::spawn(async move {
            while let Some((message, _)) = messages.next().await {
                match message.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                        update(&sender, &made, link);
                    }
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => {
                        sender.send_modify(|links| drop(links.remove(&link.header.index)));
                    }
                    _ => {}
                }
            }
            warn!("rtnetlink has ended: changes of links are no longer seen");
        });
        Ok(Self { handle, current })
    }

    /// The links as they are now.
    pub fn list(&self) -> Vec<Link> {
        self.current.borrow().values().cloned().collect()
    }

    /// Waits for a change.
    pub async fn changed(&mut self) {
        if self.current.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until link `index` has a signal; `false` when it has none within `limit`.
    pub async fn wait_for_carrier(&self, index: u32, limit: Duration) -> bool {
        let mut current = self.current.clone();
        let carrier = current.wait_for(|links| links.get(&index).is_some_and(|link| link.carrier));
        matches!(tokio::time::timeout(limit, carrier).await, Ok(Ok(_)))
    }

    /// Switches a link on.
    pub async fn up(&self, index: u32) -> Result<(), LinkError> {
        let message = LinkUnspec::new_with_index(index).up().build();
        self.handle.link().set(message).execute().await.map_err(refused("switching the link on"))
    }

    /// Switches a link off.
    pub async fn down(&self, index: u32) -> Result<(), LinkError> {
        let message = LinkUnspec::new_with_index(index).down().build();
        self.handle.link().set(message).execute().await.map_err(refused("switching the link off"))
    }

    /// Gives a link another hardware address, for which many drivers want it switched off.
    pub async fn set_address(&self, index: u32, mac: Mac) -> Result<(), LinkError> {
        self.down(index).await?;
        let message = LinkUnspec::new_with_index(index).address(mac.0.to_vec()).build();
        let doing = format!("setting the hardware address {mac}");
        self.handle.link().set(message).execute().await.map_err(refused(&doing))
    }

    /// Makes a VLAN on link `parent`.
    pub async fn add_vlan(&self, vlan: &Vlan, parent: u32) -> Result<(), LinkError> {
        let message = LinkVlan::new(&vlan.name, parent, vlan.id).build();
        let doing = format!("making {} with tag {}", vlan.name, vlan.id);
        self.handle.link().add(message).execute().await.map_err(refused(&doing))
    }
}

fn refused(doing: &str) -> impl FnOnce(rtnetlink::Error) -> LinkError {
    let doing = doing.to_owned();
    move |source| LinkError::Refused { doing, source }
}

fn update(links: &watch::Sender<BTreeMap<u32, Link>>, made: &[String], message: LinkMessage) {
    let index = message.header.index;
    if let Some(link) = wired(message, made) {
        links.send_if_modified(|links| {
            let changed = links.get(&index) != Some(&link);
            if changed {
                debug!("link {link:?}");
                links.insert(index, link);
            }
            changed
        });
    }
}

/// The link, when it is a wired interface with hardware (or a hypervisor) behind it, or one that we made.
fn wired(message: LinkMessage, made: &[String]) -> Option<Link> {
    if message.header.link_layer_type != LinkLayerType::Ether {
        return None;
    }
    let mut name = None;
    let mut mac = None;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text),
            LinkAttribute::Address(bytes) => mac = address(&bytes),
            _ => {}
        }
    }
    let (name, mac) = (name?, mac?);
    let sys = Path::new("/sys/class/net").join(&name);
    let wireless = sys.join("phy80211").exists();
    let carrier = message.header.flags.contains(LinkFlags::LowerUp);
    let wanted = made.contains(&name) || (sys.join("device").exists() && !wireless);
    wanted.then_some(Link { index: message.header.index, name, mac, carrier })
}

/// An Ethernet address; `None` for other lengths (InfiniBand) and for none at all.
fn address(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().filter(|octets| *octets != [0; 6]).map(Mac)
}
