//! The network as the kernel has it now.

use std::fs::{read_dir, read_to_string};
use std::path::Path;

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use rtnetlink::{Handle, RouteMessageBuilder, new_connection};

const NET: &str = "/sys/class/net";

/// Prints it.
pub fn show() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("starting: {error}"))?;
    runtime.block_on(async {
        let (connection, handle, _) = new_connection().map_err(|error| format!("rtnetlink: {error}"))?;
        tokio::spawn(connection);
        for interface in interfaces(Path::new(NET)) {
            println!("{interface}");
        }
        for line in addresses(&handle).await?.into_iter().chain(routes(&handle).await?) {
            println!("{line}");
        }
        let servers = read_to_string("/etc/resolv.conf").unwrap_or_default();
        servers.lines().for_each(|line| println!("{line}"));
        Ok(())
    })
}

/// A line for each interface with hardware, or made of such: `eth0  52:54:00:12:34:56  up, signal, virtio_net`.
fn interfaces(net: &Path) -> Vec<String> {
    let mut names: Vec<_> = read_dir(net).into_iter().flatten().flatten().collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    let line = |entry: &std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let attribute =
            |file: &str| read_to_string(entry.path().join(file)).ok().map(|text| text.trim().to_owned());
        // Reading the carrier of an interface that is down fails.
        let signal = match attribute("carrier").as_deref() {
            Some("1") => "up, signal",
            Some(_) => "up, no signal",
            None => "down",
        };
        let driver = entry.path().join("device/driver").canonicalize().ok();
        let driver = driver.and_then(|path| Some(format!(", {}", path.file_name()?.to_string_lossy())));
        let mac = attribute("address").unwrap_or_default();
        (name != "lo").then(|| format!("{name}  {mac}  {signal}{}", driver.unwrap_or_default()))
    };
    names.iter().filter_map(line).collect()
}

async fn addresses(handle: &Handle) -> Result<Vec<String>, String> {
    let listed: Vec<_> =
        handle.address().get().execute().try_collect().await.map_err(told("listing addresses"))?;
    let address = |message: rtnetlink::packet_route::address::AddressMessage| {
        let name = name_of(message.header.index);
        let own = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })?;
        (!own.is_loopback()).then(|| format!("address {own}/{} on {name}", message.header.prefix_len))
    };
    Ok(listed.into_iter().filter_map(address).collect())
}

async fn routes(handle: &Handle) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    let v4 = RouteMessageBuilder::<std::net::Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<std::net::Ipv6Addr>::new().build();
    for wish in [v4, v6] {
        let listed: Vec<_> =
            handle.route().get(wish).execute().try_collect().await.map_err(told("listing routes"))?;
        lines.extend(listed.iter().filter_map(route));
    }
    Ok(lines)
}

/// Those through somebody; what is on a link follows from the addresses.
fn route(message: &RouteMessage) -> Option<String> {
    let gateway = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(gateway) => shown(gateway),
        _ => None,
    })?;
    let destination = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(destination) => shown(destination),
        _ => None,
    });
    let to = match destination {
        Some(address) => format!("{address}/{}", message.header.destination_prefix_length),
        None => "everywhere".to_owned(),
    };
    Some(format!("route to {to} by {gateway}"))
}

fn shown(address: &RouteAddress) -> Option<String> {
    match address {
        RouteAddress::Inet(address) => Some(address.to_string()),
        RouteAddress::Inet6(address) => Some(address.to_string()),
        _ => None,
    }
}

fn name_of(index: u32) -> String {
    let entries = read_dir(NET).into_iter().flatten().flatten();
    let is = |entry: &std::fs::DirEntry| {
        read_to_string(entry.path().join("ifindex")).is_ok_and(|text| text.trim() == index.to_string())
    };
    let found = entries.into_iter().find(is);
    found.map_or_else(
        || format!("interface {index}"),
        |entry| entry.file_name().to_string_lossy().into_owned(),
    )
}

fn told(doing: &'static str) -> impl FnOnce(rtnetlink::Error) -> String {
    move |error| format!("{doing}: {error}")
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    #[test]
    fn an_interface_is_told_with_its_signal() {
        let net = tempfile::tempdir().unwrap();
        for (name, file, text) in [
            ("eth0", "address", "52:54:00:12:34:56\n"),
            ("eth0", "carrier", "1\n"),
            ("eth1", "address", "52:54:00:12:34:57\n"),
            ("lo", "carrier", "1\n"),
        ] {
            create_dir_all(net.path().join(name)).unwrap();
            write(net.path().join(name).join(file), text).unwrap();
        }
        assert_eq!(
            interfaces(net.path()),
            ["eth0  52:54:00:12:34:56  up, signal", "eth1  52:54:00:12:34:57  down"]
        );
    }
}
