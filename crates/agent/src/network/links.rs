//! Network links as rtnetlink(7) tells and changes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Handle, LinkUnspec, MulticastGroup, RouteMessageBuilder, new_multicast_connection};
use tokio::sync::watch;
use tracing::{debug, warn};

use bootwright_netboot::Mac;
use bootwright_plan::network::{Configuration, Route};

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
    /// Lists the links and follows their changes from now on.
    pub async fn open() -> Result<Self, LinkError> {
        let (connection, handle, mut messages) =
            new_multicast_connection(&[MulticastGroup::Link]).map_err(LinkError::Open)?;
        tokio::spawn(connection);
        let (sender, current) = watch::channel(BTreeMap::new());
        let listed = handle.link().get().execute().try_collect::<Vec<_>>().await;
        let listed = listed.map_err(refused("listing the links"))?;
        listed.into_iter().for_each(|message| update(&sender, message));
        tokio::spawn(async move {
            while let Some((message, _)) = messages.next().await {
                match message.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => update(&sender, link),
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

    /// Gives link `index` its address, MTU and routes.
    pub async fn configure(&self, index: u32, configuration: &Configuration) -> Result<(), LinkError> {
        if let Some(mtu) = configuration.mtu {
            let message = LinkUnspec::new_with_index(index).mtu(mtu).build();
            let doing = format!("setting the MTU to {mtu}");
            self.handle.link().set(message).execute().await.map_err(refused(&doing))?;
        }
        let Configuration { address, prefix, .. } = *configuration;
        let request = self.handle.address().add(index, address.into(), prefix).replace();
        request.execute().await.map_err(refused(&format!("setting the address {address}/{prefix}")))?;
        // Routes on the link first: gateways of the others may lie in them.
        let mut routes = configuration.routes.clone();
        routes.sort_by_key(|route| route.gateway.is_some());
        for route in routes {
            self.add_route(index, route).await?;
        }
        Ok(())
    }

    /// Takes every IPv4 address from link `index`, and with the last one its routes.
    pub async fn forget(&self, index: u32) -> Result<(), LinkError> {
        let listed = self.handle.address().get().set_link_index_filter(index).execute();
        let addresses: Vec<_> = listed.try_collect().await.map_err(refused("listing the addresses"))?;
        for message in addresses {
            if message.header.family == AddressFamily::Inet {
                self.handle
                    .address()
                    .del(message)
                    .execute()
                    .await
                    .map_err(refused("taking an address away"))?;
            }
        }
        Ok(())
    }

    async fn add_route(&self, index: u32, route: Route) -> Result<(), LinkError> {
        let mut builder = RouteMessageBuilder::<std::net::Ipv4Addr>::new()
            .destination_prefix(route.destination, route.prefix)
            .output_interface(index);
        if let Some(gateway) = route.gateway {
            // A server may name a gateway outside of the network (a /32 address): it is on this link.
            builder = builder.gateway(gateway).onlink();
        }
        let request = self.handle.route().add(builder.build()).replace();
        let doing = format!("adding the route {}/{}", route.destination, route.prefix);
        request.execute().await.map_err(refused(&doing))
    }
}

fn refused(doing: &str) -> impl FnOnce(rtnetlink::Error) -> LinkError {
    let doing = doing.to_owned();
    move |source| LinkError::Refused { doing, source }
}

fn update(links: &watch::Sender<BTreeMap<u32, Link>>, message: LinkMessage) {
    let index = message.header.index;
    if let Some(link) = wired(message) {
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

/// The link, when it is a wired interface with hardware (or a hypervisor) behind it.
fn wired(message: LinkMessage) -> Option<Link> {
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
    (sys.join("device").exists() && !wireless).then_some(Link {
        index: message.header.index,
        name,
        mac,
        carrier,
    })
}

/// An Ethernet address; `None` for other lengths (InfiniBand) and for none at all.
fn address(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().filter(|octets| *octets != [0; 6]).map(Mac)
}
