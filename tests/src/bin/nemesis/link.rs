//! The links: each host has a network of its own, which is there before it boots and outlives it, and a
//! cable to the server's.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::shell::run;

/// Which words get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The cable is out.
    Both,
    /// What the host says: the server never hears it.
    ToServer,
    /// What the server says: it does what it was told, and nobody learns of it.
    FromServer,
}

/// A host's network and its cable.
#[derive(Debug)]
pub struct Link {
    /// The server's end.
    outside: String,
    network: PathBuf,
    number: usize,
}

/// The host's end.
const INSIDE: &str = "eth0";

impl Link {
    /// Lays the cable to the host of this number, whose network is kept at `network`.
    pub fn lay(number: usize, network: PathBuf) -> Self {
        let outside = format!("host{number}");
        File::create(&network).expect("a file of the field can be made");
        run(&["unshare", &format!("--net={}", network.display()), "true"]);
        let path = network.display().to_string();
        run(&[
            "ip", "link", "add", &outside, "type", "veth", "peer", "name", INSIDE, "netns", &path,
        ]);
        let link = Self {
            outside,
            network,
            number,
        };
        let (server, host) = (
            format!("{}/30", link.server()),
            format!("10.77.{number}.2/30"),
        );
        run(&["ip", "address", "add", &server, "dev", &link.outside]);
        run(&["ip", "link", "set", &link.outside, "up"]);
        link.inside(&["ip", "address", "add", &host, "dev", INSIDE]);
        link.inside(&["ip", "link", "set", INSIDE, "up"]);
        link.inside(&["ip", "link", "set", "lo", "up"]);
        link
    }

    /// Where the server is, seen from the host.
    pub fn server(&self) -> String {
        format!("10.77.{}.1", self.number)
    }

    /// The host's network, for whoever enters it.
    pub fn network(&self) -> &Path {
        &self.network
    }

    /// Cuts it. What is on its way in a direction that is cut is lost without a word to anybody.
    pub fn cut(&self, way: Way) {
        let lose = |device| {
            [
                "tc", "qdisc", "replace", "dev", device, "root", "pfifo", "limit", "0",
            ]
        };
        match way {
            Way::Both => drop(run(&["ip", "link", "set", &self.outside, "down"])),
            Way::FromServer => drop(run(&lose(&self.outside))),
            Way::ToServer => self.inside(&lose(INSIDE)),
        }
    }

    /// Mends what was cut so.
    pub fn mend(&self, way: Way) {
        let keep = |device| ["tc", "qdisc", "delete", "dev", device, "root"];
        match way {
            Way::Both => drop(run(&["ip", "link", "set", &self.outside, "up"])),
            Way::FromServer => drop(run(&keep(&self.outside))),
            Way::ToServer => self.inside(&keep(INSIDE)),
        }
    }

    fn inside(&self, line: &[&str]) {
        let enter = format!("--net={}", self.network.display());
        let mut whole = vec!["nsenter", &enter, "--"];
        whole.extend(line);
        run(&whole);
    }
}
