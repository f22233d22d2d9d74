//! Facts of one host: read at start and now and then, as they change with hardware, packages and cables.

use std::{collections::BTreeMap, fs, net::IpAddr, path::Path};

use berth_types::facts::{DiskFacts, FilesystemFacts, HostFacts, InterfaceFacts};

use crate::{
    host::{Host, Roots, ThisHost, mib},
    sysfs,
};

/// Sectors in `/sys/block/*/size` are of 512 bytes whatever the device's own are (Documentation/ABI/stable/sysfs-block).
const SECTORS_PER_MIB: i64 = 2048;

/// Local file systems that hold data. Network file systems are left out: asking one whose server is away hangs.
const DATA_FILESYSTEMS: [&str; 11] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "overlay"];

/// Reads everything that can be read; what cannot is absent. Docker's version is left to the driver, which asks the
/// engine itself.
pub fn read(roots: &Roots) -> HostFacts {
    read_with(roots, &ThisHost::new())
}

pub fn read_with(roots: &Roots, host: &dyn Host) -> HostFacts {
    let cpuinfo = sysfs::text(roots.proc.join("cpuinfo")).unwrap_or_default();
    let meminfo = sysfs::text(roots.proc.join("meminfo")).unwrap_or_default();
    let memory = |key| sysfs::meminfo_mib(&meminfo, key).unwrap_or(0);
    let addresses = host.addresses();
    let interfaces = interfaces(roots, host, &addresses);
    let architecture = std::env::consts::ARCH;
    HostFacts {
        hostname: sysfs::text(roots.proc.join("sys/kernel/hostname")).unwrap_or_default(),
        architecture: architecture.to_owned(),
        os_version: os_version(&roots.etc),
        kernel_version: sysfs::text(roots.proc.join("sys/kernel/osrelease")),
        docker_version: None,
        libvirt_version: host.version("libvirtd").or_else(|| host.version("virsh")),
        qemu_version: host.version(&format!("qemu-system-{architecture}")),
        machine_id: sysfs::text(roots.etc.join("machine-id")),
        cpu_model: cpu_model(&cpuinfo, &roots.proc),
        cpu_threads: cpuinfo.lines().filter(|line| sysfs::field(line, "processor").is_some()).count() as i64,
        numa_nodes: numa_nodes(&roots.sys),
        memory_mib: memory("MemTotal"),
        swap_mib: memory("SwapTotal"),
        primary_ip: primary_ip(roots, &addresses, &interfaces),
        disks: disks(&roots.sys),
        filesystems: filesystems(&roots.proc, host),
        interfaces,
        gpus: host.gpus(),
        kvm: kvm(&roots.dev, &cpuinfo),
    }
}

fn os_version(etc: &Path) -> Option<String> {
    let release = sysfs::text(etc.join("os-release"))?;
    let value = |key: &str| {
        release.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().trim_matches(['"', '\'']).to_owned())
        })
    };
    value("PRETTY_NAME").or_else(|| value("NAME"))
}

/// x86 has it in cpuinfo; most ARM boards only in the device tree.
fn cpu_model(cpuinfo: &str, proc: &Path) -> Option<String> {
    ["model name", "cpu model", "Model", "cpu"]
        .iter()
        .find_map(|key| sysfs::field(cpuinfo, key))
        .map(str::to_owned)
        .or_else(|| sysfs::text(proc.join("device-tree/model")))
}

fn numa_nodes(sys: &Path) -> i64 {
    let is_node = |name: &String| {
        name.strip_prefix("node").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    // A kernel without NUMA has no such directory; the machine is one node then.
    (sysfs::names(sys.join("devices/system/node")).iter().filter(|name| is_node(name)).count() as i64).max(1)
}

/// Kernels of nested or restricted machines offer `/dev/kvm` although the processor cannot do it, and guests then hang.
fn kvm(dev: &Path, cpuinfo: &str) -> bool {
    let opens = fs::File::options().read(true).write(true).open(dev.join("kvm")).is_ok();
    // Only x86 lists "flags"; elsewhere the device alone has to do.
    let able =
        sysfs::field(cpuinfo, "flags").is_none_or(|flags| flags.split_whitespace().any(|f| f == "vmx" || f == "svm"));
    opens && able
}

fn disks(sys: &Path) -> Vec<DiskFacts> {
    sysfs::disks(sys)
        .into_iter()
        .map(|name| {
            let directory = sys.join("block").join(&name);
            DiskFacts {
                model: sysfs::text(directory.join("device/model")),
                size_mib: sysfs::number(directory.join("size")).unwrap_or(0) / SECTORS_PER_MIB,
                rotational: sysfs::number(directory.join("queue/rotational")) == Some(1),
                name,
            }
        })
        .collect()
}

fn filesystems(proc: &Path, host: &dyn Host) -> Vec<FilesystemFacts> {
    let mounts = sysfs::text(proc.join("mounts")).unwrap_or_default();
    // A device that is mounted several times (bind mounts, volumes of containers) counts once, at its shortest path.
    let mut shortest: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in mounts.lines() {
        let mut columns = line.split_whitespace().map(unescape);
        let (Some(device), Some(mount_point), Some(kind)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        let wanted = DATA_FILESYSTEMS.contains(&kind.as_str()) && (kind != "overlay" || mount_point == "/");
        if !wanted || device.starts_with("/dev/loop") {
            continue;
        }
        let known = shortest.entry(device).or_insert_with(|| (mount_point.clone(), kind.clone()));
        if mount_point.len() < known.0.len() {
            *known = (mount_point, kind);
        }
    }
    let mut list: Vec<FilesystemFacts> = shortest
        .into_values()
        .filter_map(|(mount_point, kind)| {
            let usage = host.filesystem(Path::new(&mount_point))?;
            Some(FilesystemFacts { mount_point, kind, size_mib: mib(usage.size), available_mib: mib(usage.available) })
        })
        .collect();
    list.sort_by(|a, b| a.mount_point.cmp(&b.mount_point));
    list
}

/// Spaces and the like are written as `\040` in mount tables (proc(5)).
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.filter(|_| first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn interfaces(roots: &Roots, host: &dyn Host, addresses: &[(String, IpAddr)]) -> Vec<InterfaceFacts> {
    sysfs::interfaces(&roots.sys)
        .into_iter()
        .map(|name| {
            let directory = sysfs::interface_directory(&roots.sys, &name);
            let physical = sysfs::is_physical(&roots.sys, &name);
            let pci = pci_device(&directory.join("device"));
            InterfaceFacts {
                mac_address: sysfs::text(directory.join("address"))
                    .filter(|mac| mac.chars().any(|c| c != '0' && c != ':')),
                ip_addresses: addresses.iter().filter(|(of, _)| *of == name).map(|(_, ip)| ip.to_string()).collect(),
                // Drivers without a notion of speed say -1, and those without a link refuse the read.
                speed_mbps: sysfs::number(directory.join("speed")).filter(|speed| *speed > 0),
                duplex: sysfs::text(directory.join("duplex")).filter(|duplex| duplex != "unknown"),
                status: sysfs::text(directory.join("operstate")).unwrap_or_else(|| "unknown".to_owned()),
                driver: sysfs::link_name(directory.join("device/driver")),
                firmware_version: if physical { host.firmware(&name) } else { None },
                numa_node: [Some(directory.join("device")), pci.as_ref().map(|(path, _)| path.clone())]
                    .into_iter()
                    .flatten()
                    .find_map(|path| sysfs::number(path.join("numa_node")))
                    .filter(|node| *node >= 0),
                pci_slot: pci.map(|(_, slot)| slot),
                mtu: sysfs::number(directory.join("mtu")),
                physical,
                interface_name: name,
            }
        })
        .collect()
}

/// The PCI device itself or the one that carries it (a virtio device sits below its PCI function), and its address.
fn pci_device(device: &Path) -> Option<(std::path::PathBuf, String)> {
    let path = device.canonicalize().ok()?;
    path.ancestors().find_map(|ancestor| {
        let name = ancestor.file_name()?.to_str()?;
        is_pci_address(name).then(|| (ancestor.to_owned(), name.to_owned()))
    })
}

/// `0000:00:03.0`
fn is_pci_address(name: &str) -> bool {
    let parts: Vec<&str> = name.split([':', '.']).collect();
    let hexadecimal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
    parts.len() == 4
        && name.matches(':').count() == 2
        && parts[0].len() >= 4
        && parts[1].len() == 2
        && parts[2].len() == 2
        && parts[3].len() == 1
        && parts.into_iter().all(hexadecimal)
}

/// The default route's interface first, then real ones, then the others; IPv4 before IPv6.
fn primary_ip(roots: &Roots, addresses: &[(String, IpAddr)], interfaces: &[InterfaceFacts]) -> Option<String> {
    let default = sysfs::default_interface(&roots.proc);
    let rank = |name: &String| {
        let physical = interfaces.iter().any(|interface| interface.interface_name == *name && interface.physical);
        if default.as_ref() == Some(name) { 0 } else { 2 - i32::from(physical) }
    };
    addresses
        .iter()
        .filter(|(_, ip)| is_global(ip))
        .min_by_key(|(name, ip)| (rank(name), ip.is_ipv6(), name.clone()))
        .map(|(_, ip)| ip.to_string())
}

/// Reachable from other machines at all; private networks count.
fn is_global(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_with_spaces() {
        assert_eq!(unescape(r"/mnt/my\040disk"), "/mnt/my disk");
        assert_eq!(unescape(r"/mnt/a\b"), r"/mnt/a\b");
        assert_eq!(unescape(r"\134"), "\\");
    }

    #[test]
    fn pci_addresses() {
        assert!(is_pci_address("0000:00:03.0"));
        assert!(is_pci_address("10000:e1:00.0"));
        for other in ["virtio2", "pci0000:00", "0000:00", "0000:00:03", "net"] {
            assert!(!is_pci_address(other), "{other}");
        }
    }
}
