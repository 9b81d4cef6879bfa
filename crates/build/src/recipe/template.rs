use std::fmt::Write as _;

use bootwright_image::manifest::Mode;

/// What `bootwright init` asks for, and the recipe that comes of it.
#[derive(Debug, Clone)]
pub struct Template {
    /// The image's name.
    pub name: String,
    /// The Debian release.
    pub suite: String,
    /// Packages beside the basic ones.
    pub packages: Vec<String>,
    /// The host name, if all machines shall have the same.
    pub hostname: Option<String>,
    /// Public keys that may log in as root.
    pub ssh_keys: Vec<String>,
    /// How the machine gets its root.
    pub mode: Mode,
}

/// What every machine needs to start and to be looked after.
const BASIC: &[&str] = &["linux-image-amd64", "systemd-sysv", "udev", "dbus", "login", "iproute2"];

impl Template {
    /// The recipe, with comments that show what else could be said.
    pub fn render(&self) -> String {
        let mut packages: Vec<&str> = BASIC.to_vec();
        packages.extend(self.packages.iter().map(String::as_str));
        if !self.ssh_keys.is_empty() && !packages.contains(&"openssh-server") {
            packages.push("openssh-server");
        }
        let mut text = String::new();
        self.head(&mut text);
        let list: String = packages.iter().map(|package| format!("    {},\n", quote(package))).collect();
        let suite = quote(&self.suite);
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "\n[root]\n# \"debian\", or \"tar\" / \"directory\" with path = \"...\"\nsource = \"debian\"\n\
             suite = {suite}\npackages = [\n{list}]\n\
             # The mirror is that of this host; to use another:\n\
             # mirror = \"http://mirror.example/debian\"\n\
             exclude = [\"/usr/share/doc/*\", \"/usr/share/man/*\", \"/usr/share/info/*\"]\n\
             \n[kernel]\n# Kernel and modules are those of the root; \"deb\" and \"paths\" take them from elsewhere.\n\
             source = \"root\"\ncmdline = \"console=tty0 console=ttyS0,115200\"\n\
             \n[initrd]\n# \"network\": every wired network card; \"generic\": storage too; \"host\": this machine.\n\
             profile = \"network\"\n"
        );
        self.user(&mut text);
        text.push_str(MORE);
        text
    }

    fn head(&self, text: &mut String) {
        let (name, mode) = (quote(&self.name), self.mode.name());
        let _ = write!(
            text,
            "# A bootwright recipe: `bootwright build` makes an image of it. docs/recipe.md explains every key.\n\
             \nname = {name}\n\
             # \"ram\": machines fetch the root; \"embed\": it is inside the UKI, one file is the whole system.\n\
             mode = \"{mode}\"\n"
        );
        match &self.hostname {
            Some(name) => {
                let _ = writeln!(text, "hostname = {}", quote(name));
            }
            None => text.push_str("# Without a host name machines take the one that DHCP gives them.\n# hostname = \"worker\"\n"),
        }
    }

    fn user(&self, text: &mut String) {
        if self.ssh_keys.is_empty() {
            text.push_str(
                "\n# Nobody can log in yet. An SSH key (with the package openssh-server), or a password hash\n\
                 # as `mkpasswd` prints it:\n# [[users]]\n# name = \"root\"\n# ssh_keys = [\"ssh-ed25519 AAAA... you\"]\n\
                 # password_hash = \"$y$...\"\n",
            );
            return;
        }
        let keys: String = self.ssh_keys.iter().map(|key| format!("    {},\n", quote(key.trim()))).collect();
        let _ = write!(text, "\n[[users]]\nname = \"root\"\nssh_keys = [\n{keys}]\n");
    }
}

const MORE: &str = r##"
# [[files]]
# path = "/etc/motd"
# content = "Hello from bootwright\n"
# mode = "0644"

# [[trees]]
# from = "overlay"    # a directory beside this file, laid over the root

# [units]
# enable = ["systemd-networkd.service"]
# mask = ["apt-daily.timer"]
"##;

/// The text as a TOML basic string.
fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
