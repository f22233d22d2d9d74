//! Reading small kernel files. A file that is missing or odd is an absent fact, never an error: machines differ.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The trimmed text, `None` when there is none.
pub fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

pub fn number(path: impl AsRef<Path>) -> Option<i64> {
    text(path)?.parse().ok()
}

/// Names in a directory, sorted.
pub fn names(path: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Last part of where a link leads.
pub fn link_name(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_link(path).ok()?.file_name()?.to_str()?.to_owned())
}

/// `key: value` of `/proc/cpuinfo`, `/proc/meminfo` and the like; the first of several.
pub fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

/// A line of `/proc/meminfo`, in MiB.
pub fn meminfo_mib(meminfo: &str, key: &str) -> Option<i64> {
    let kib: i64 = field(meminfo, key)?.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// Whole block devices: not what the kernel makes out of memory, files or other devices, nor removable media.
pub fn disks(sys: &Path) -> Vec<String> {
    const OTHER: [&str; 9] = ["loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd", "rbd"];
    names(sys.join("block"))
        .into_iter()
        .filter(|name| !OTHER.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| number(sys.join("block").join(name).join("size")).is_some_and(|sectors| sectors > 0))
        .collect()
}

/// Network interfaces; not loopback, nor the host ends of containers, which come and go with sessions.
pub fn interfaces(sys: &Path) -> Vec<String> {
    let directory = sys.join("class/net");
    names(&directory)
        .into_iter()
        .filter(|name| name != "lo" && !name.starts_with("veth") && directory.join(name).is_dir())
        .collect()
}

/// Has a device behind it.
pub fn is_physical(sys: &Path, interface: &str) -> bool {
    interface_directory(sys, interface).join("device").exists()
}

pub fn interface_directory(sys: &Path, interface: &str) -> PathBuf {
    sys.join("class/net").join(interface)
}

/// The interface of the default route with the lowest metric (`/proc/net/route`, then its IPv6 twin).
pub fn default_interface(proc: &Path) -> Option<String> {
    let v4 = text(proc.join("net/route")).unwrap_or_default();
    let default = v4
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // Iface Destination Gateway Flags RefCnt Use Metric Mask
            let [interface, "00000000", _, _, _, _, metric, "00000000", ..] = columns[..] else {
                return None;
            };
            Some((metric.parse::<u64>().ok()?, interface.to_owned()))
        })
        .min();
    if let Some((_, interface)) = default {
        return Some(interface);
    }
    let v6 = text(proc.join("net/ipv6_route")).unwrap_or_default();
    v6.lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // destination prefix source prefix next-hop metric references use flags interface
            let [destination, "00", _, _, _, metric, _, _, _, interface] = columns[..] else {
                return None;
            };
            let everything = destination.chars().all(|c| c == '0');
            // The kernel's unreachable default belongs to lo.
            (everything && interface != "lo")
                .then(|| (u64::from_str_radix(metric, 16).unwrap_or(u64::MAX), interface.to_owned()))
        })
        .min()
        .map(|(_, interface)| interface)
}
