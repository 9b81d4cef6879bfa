//! Addresses and routes of a link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bootwright_plan::network::{Address, Configuration, Route};
use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::{LinkUnspec, RouteMessageBuilder};
use tokio::time::{Instant, sleep};

use super::{LinkError, Links, refused};

/// From one look at the addresses to the next.
const INTERVAL: Duration = Duration::from_millis(100);

impl Links {
    /// Sets how much link `index` sends at once, in bytes.
    pub async fn set_mtu(&self, index: u32, mtu: u32) -> Result<(), LinkError> {
        let message = LinkUnspec::new_with_index(index).mtu(mtu).build();
        let doing = format!("setting the MTU to {mtu}");
        self.handle.link().set(message).execute().await.map_err(refused(&doing))
    }

    /// Gives link `index` its addresses and routes.
    pub async fn configure(&self, index: u32, configuration: &Configuration) -> Result<(), LinkError> {
        for address in &configuration.addresses {
            self.add_address(index, *address).await?;
        }
        // Routes on the link first: gateways of the others may lie in them.
        let mut routes = configuration.routes.clone();
        routes.sort_by_key(|route| route.gateway.is_some());
        for route in routes {
            self.add_route(index, route).await?;
        }
        Ok(())
    }

    /// Takes the addresses of `configuration` from link `index`, and with the last one its routes.
    pub async fn forget(&self, index: u32, configuration: &Configuration) -> Result<(), LinkError> {
        let ours = |message: &AddressMessage| {
            let own = address_of(message);
            configuration.addresses.iter().any(|address| own == Some(address.address))
        };
        for message in self.addresses(index).await?.into_iter().filter(ours) {
            let request = self.handle.address().del(message);
            request.execute().await.map_err(refused("taking an address away"))?;
        }
        Ok(())
    }

    /// Waits until link `index` has an IPv6 address of that scope which can be used.
    pub async fn wait_for_address(&self, index: u32, scope: Scope, limit: Duration) -> Option<IpAddr> {
        let give_up = Instant::now() + limit;
        loop {
            let listed = self.addresses(index).await.unwrap_or_default();
            let found = listed.iter().filter(|message| is_usable(message, scope)).find_map(address_of);
            if found.is_some() || Instant::now() >= give_up {
                return found;
            }
            sleep(INTERVAL).await;
        }
    }

    async fn addresses(&self, index: u32) -> Result<Vec<AddressMessage>, LinkError> {
        let listed = self.handle.address().get().set_link_index_filter(index).execute();
        listed.try_collect().await.map_err(refused("listing the addresses"))
    }

    async fn add_address(&self, index: u32, address: Address) -> Result<(), LinkError> {
        let mut request = self.handle.address().add(index, address.address, address.prefix).replace();
        if address.address.is_ipv6() {
            // Somebody has just given it to us alone; a second of doubt would fail the first connection.
            request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        request.execute().await.map_err(refused(&format!("setting the address {address}")))
    }

    async fn add_route(&self, index: u32, route: Route) -> Result<(), LinkError> {
        let doing = format!("adding the route {}/{}", route.destination, route.prefix);
        self.handle.route().add(message(index, route)).replace().execute().await.map_err(refused(&doing))
    }
}

/// A server may name a gateway outside of the network (a /32 address): it is on this link.
fn message(index: u32, Route { destination, prefix, gateway }: Route) -> RouteMessage {
    match destination {
        IpAddr::V4(destination) => {
            let builder = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(destination, prefix);
            let builder = builder.output_interface(index);
            match gateway {
                Some(IpAddr::V4(gateway)) => builder.gateway(gateway).onlink().build(),
                _ => builder.build(),
            }
        }
        IpAddr::V6(destination) => {
            let builder = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(destination, prefix);
            let builder = builder.output_interface(index);
            match gateway {
                Some(IpAddr::V6(gateway)) => builder.gateway(gateway).onlink().build(),
                _ => builder.build(),
            }
        }
    }
}

/// How far an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// On the link alone.
    Link,
    /// Beyond it.
    Global,
}

fn is_usable(message: &AddressMessage, scope: Scope) -> bool {
    let wanted = match scope {
        Scope::Link => AddressScope::Link,
        Scope::Global => AddressScope::Universe,
    };
    let tentative = message.attributes.iter().any(|attribute| {
        let AddressAttribute::Flags(flags) = attribute else { return false };
        flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed)
    });
    message.header.scope == wanted
        && !tentative
        && address_of(message).is_some_and(|address| address.is_ipv6())
}

fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    })
}
