//! Facts of a machine that is written down, of one where nothing can be read, and of the one this runs on.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::{fs, path::PathBuf};

use berth_agent::{Roots, facts};
use berth_types::facts::{DiskFacts, FilesystemFacts, HostFacts, InterfaceFacts};
use common::{Machine, ServerHost};

#[test]
fn a_server() {
    let machine = Machine::server();
    let host = ServerHost::default();
    let facts = facts::read_with(&machine.roots, &host);
    assert_eq!(facts.hostname, "rack7");
    assert_eq!(facts.os_version.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    assert_eq!(facts.kernel_version.as_deref(), Some("6.1.0-18-amd64"));
    assert_eq!(facts.machine_id.as_deref(), Some("0123456789abcdef0123456789abcdef"));
    assert_eq!(facts.cpu_model.as_deref(), Some("Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz"));
    assert_eq!((facts.cpu_threads, facts.numa_nodes), (64, 2));
    assert_eq!((facts.memory_mib, facts.swap_mib), (257_564, 8192));
    assert_eq!(facts.libvirt_version.as_deref(), Some("9.0.0"));
    assert_eq!(facts.qemu_version.as_deref(), Some("7.2.19"));
    assert_eq!(facts.docker_version, None);
    // The default route with the lowest metric, IPv4 first.
    assert_eq!(facts.primary_ip.as_deref(), Some("10.0.1.5"));
    assert!(facts.kvm);
    assert_eq!(facts.gpus.len(), 1);
    let disk = |name: &str, model: &str, size_mib, rotational| DiskFacts {
        name: name.into(),
        model: Some(model.into()),
        size_mib,
        rotational,
    };
    assert_eq!(
        facts.disks,
        [disk("nvme0n1", "SAMSUNG MZVL21T0HCLR-00B00", 953_869, false), disk("sda", "ST2000NM0008", 1_907_729, true)]
    );
    let filesystem = |mount_point: &str, kind: &str| FilesystemFacts {
        mount_point: mount_point.into(),
        kind: kind.into(),
        size_mib: 102_400,
        available_mib: 66_560,
    };
    assert_eq!(facts.filesystems, [filesystem("/", "ext4"), filesystem("/srv/big data", "xfs")]);
    // A network file system whose server is away would hang.
    assert_eq!(*host.asked.lock().unwrap(), [PathBuf::from("/"), "/srv/big data".into()]);
}

#[test]
fn interfaces_with_what_is_behind_them() {
    let machine = Machine::server();
    let facts = facts::read_with(&machine.roots, &ServerHost::default());
    let bridge = InterfaceFacts {
        interface_name: "docker0".into(),
        mac_address: Some("02:42:00:00:00:03".into()),
        ip_addresses: vec!["172.17.0.1".into()],
        status: "up".into(),
        mtu: Some(1500),
        ..InterfaceFacts::default()
    };
    let card = InterfaceFacts {
        interface_name: "eno1".into(),
        mac_address: Some("0c:42:a1:00:00:01".into()),
        ip_addresses: vec!["fe80::1".into(), "2001:db8::5".into(), "10.0.1.5".into()],
        speed_mbps: Some(25_000),
        duplex: Some("full".into()),
        status: "up".into(),
        driver: Some("mlx5_core".into()),
        firmware_version: Some("16.32.1010 (MT_0000000080)".into()),
        pci_slot: Some("0000:3b:00.0".into()),
        numa_node: Some(1),
        mtu: Some(1500),
        physical: true,
    };
    let virtio = InterfaceFacts {
        interface_name: "eth1".into(),
        mac_address: Some("52:54:00:00:00:02".into()),
        ip_addresses: vec!["192.0.2.7".into()],
        status: "down".into(),
        driver: Some("virtio_net".into()),
        pci_slot: Some("0000:00:03.0".into()),
        mtu: Some(1500),
        physical: true,
        ..InterfaceFacts::default()
    };
    assert_eq!(facts.interfaces, [bridge, card, virtio]);
}

#[test]
fn kvm_needs_the_device_and_the_processor() {
    let machine = Machine::server();
    let kvm = || facts::read_with(&machine.roots, &ServerHost::default()).kvm;
    assert!(kvm());
    // `vmmcall` is not `vmx`: a guest that was not given virtualisation of its own.
    machine.write("proc/cpuinfo", "processor : 0\nflags : fpu vmmcall sse2\n");
    assert!(!kvm());
    machine.write("proc/cpuinfo", "processor : 0\nflags : fpu svm\n");
    assert!(kvm());
    fs::remove_file(machine.roots.dev.join("kvm")).unwrap();
    assert!(!kvm());
}

#[test]
fn without_a_default_route_a_real_interface_is_primary() {
    let machine = Machine::server();
    machine.write("proc/net/route", "Iface\tDestination\n");
    let primary = || facts::read_with(&machine.roots, &ServerHost::default()).primary_ip;
    assert_eq!(primary().as_deref(), Some("10.0.1.5"));
    let zeros = "0".repeat(32);
    machine.write(
        "proc/net/ipv6_route",
        &format!("{zeros} 00 {zeros} 00 {zeros} ffffffff 1 0 00200200 lo\n{zeros} 00 {zeros} 00 fe80 00000400 1 0 0003 eth1\n"),
    );
    assert_eq!(primary().as_deref(), Some("192.0.2.7"));
}

#[test]
fn a_machine_that_tells_nothing() {
    let machine = Machine::empty();
    let mut facts = facts::read_with(&machine.roots, &ServerHost::default());
    assert_eq!(facts.primary_ip.take().as_deref(), Some("172.17.0.1"));
    let expected = HostFacts {
        architecture: std::env::consts::ARCH.into(),
        libvirt_version: Some("9.0.0".into()),
        qemu_version: Some("7.2.19".into()),
        numa_nodes: 1,
        gpus: facts.gpus.clone(),
        ..HostFacts::default()
    };
    assert_eq!(facts, expected);
}

/// Compares with what other means of this machine say.
#[test]
fn this_machine() {
    let interfaces = || {
        let names =
            fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> =
            names.filter(|name| name != "lo" && !name.starts_with("veth") && name != "bonding_masters").collect();
        names.sort();
        names
    };
    // Other tests may make bridges meanwhile; a reading during which none came or went is found soon.
    let (facts, before) = (0..100)
        .find_map(|_| {
            let before = interfaces();
            let facts = facts::read(&Roots::default());
            (interfaces() == before).then_some((facts, before))
        })
        .expect("interfaces never settle");
    let output = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(facts.hostname, output("uname", &["-n"]));
    assert_eq!(facts.kernel_version.as_deref(), Some(output("uname", &["-r"]).as_str()));
    assert_eq!(facts.architecture, output("uname", &["-m"]));
    assert_eq!(facts.cpu_threads.to_string(), output("nproc", &["--all"]));
    let free = output("free", &["--mebi"]);
    let total: i64 = free.lines().nth(1).unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((facts.memory_mib - total).abs() <= 1, "{} against {total}", facts.memory_mib);
    let root = facts.filesystems.iter().find(|filesystem| filesystem.mount_point == "/").expect("a root file system");
    let blocks: i64 = output("stat", &["-f", "-c", "%b", "/"]).parse().unwrap();
    let block: i64 = output("stat", &["-f", "-c", "%S", "/"]).parse().unwrap();
    assert_eq!(root.size_mib, blocks * block / (1 << 20));
    assert!(root.available_mib > 0 && root.available_mib <= root.size_mib);
    // Exactly the kernel's interfaces, but lo and veth.
    let listed: Vec<_> = facts.interfaces.iter().map(|interface| interface.interface_name.clone()).collect();
    assert_eq!(listed, before);
    for interface in facts.interfaces.iter().filter(|interface| interface.physical) {
        assert!(interface.mac_address.is_some() && interface.driver.is_some(), "{interface:?}");
    }
    if let Some(ip) = &facts.primary_ip {
        let ip: std::net::IpAddr = ip.parse().unwrap();
        std::net::UdpSocket::bind((ip, 0)).expect("the primary address is this machine's");
    }
}
