"""libtorrent-rasterbar on one machine: TORRENT DIRECTORY INTERFACES fetch DONE, seed, or super-seed.

`fetch` fetches into DIRECTORY, makes the file DONE when everything is there, and goes on giving. The others give what
lies in DIRECTORY; `super-seed` tells each piece to one machine first (BEP 16).
"""

import pathlib
import sys

import libtorrent as lt

torrent, directory, interfaces, role, *done = sys.argv[1:]
session = lt.session({
    "listen_interfaces": interfaces,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    # Over TCP alone: uTP gives way to others, and here is nobody to give way to.
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "alert_mask": lt.alert.category_t.status_notification,
})
parameters = lt.add_torrent_params()
parameters.ti = lt.torrent_info(torrent)
parameters.save_path = directory
parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
if role != "fetch":
    parameters.flags |= lt.torrent_flags.seed_mode
if role == "super-seed":
    parameters.flags |= lt.torrent_flags.super_seeding
session.add_torrent(parameters)
while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_finished_alert):
            for path in done:
                pathlib.Path(path).touch()
