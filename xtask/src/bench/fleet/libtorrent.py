"""libtorrent-rasterbar on one machine: TORRENT DIRECTORY DONE, or TORRENT DIRECTORY alone at the origin.

With DONE it fetches into DIRECTORY, makes that file when everything is there, and goes on giving. Without, it
gives what lies in DIRECTORY, each piece to one machine first (super-seeding, BEP 16).
"""

import pathlib
import sys

import libtorrent as lt

torrent, directory, *done = sys.argv[1:]
session = lt.session({
    "listen_interfaces": "eth0:6881",
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
if not done:
    parameters.flags |= lt.torrent_flags.seed_mode | lt.torrent_flags.super_seeding
session.add_torrent(parameters)
while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_finished_alert):
            for path in done:
                pathlib.Path(path).touch()
