//! A machine that is written down: a server with two NUMA nodes, a Mellanox card, a bond-less bridge, two disks, a GPU.

#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use berth_agent::{
    Host, Roots,
    host::{FilesystemUsage, GpuUsage},
};
use berth_types::facts::GpuFacts;
use tempfile::TempDir;

pub const GIB: u64 = 1 << 30;

pub struct Machine {
    pub directory: TempDir,
    pub roots: Roots,
}

impl Machine {
    pub fn empty() -> Self {
        let directory = TempDir::new().unwrap();
        let root = |name| directory.path().join(name);
        let roots = Roots { sys: root("sys"), proc: root("proc"), etc: root("etc"), dev: root("dev") };
        Self { directory, roots }
    }

    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn directory(&self, path: &str) {
        fs::create_dir_all(self.directory.path().join(path)).unwrap();
    }

    pub fn link(&self, at: &str, to: &str) {
        let at = self.directory.path().join(at);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(self.directory.path().join(to), at).unwrap();
    }

    pub fn server() -> Self {
        let machine = Self::empty();
        machine.write("proc/sys/kernel/hostname", "rack7\n");
        machine.write("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
        let processor = "model name\t: Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz\nflags\t\t: fpu vmmcall vmx sse2\n";
        let cpuinfo: String = (0..64).map(|n| format!("processor\t: {n}\n{processor}\n")).collect();
        machine.write("proc/cpuinfo", &cpuinfo);
        machine.write(
            "proc/meminfo",
            "MemTotal:       263745536 kB\nMemFree:  1 kB\nMemAvailable:   131872768 kB\nSwapTotal:       8388608 kB\n",
        );
        machine.write("etc/os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
        machine.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        machine.write("dev/kvm", "");
        for name in ["node0", "node1", "possible", "power"] {
            machine.directory(&format!("sys/devices/system/node/{name}"));
        }
        machine.disk("sda", 3_907_029_168, "1", Some("ST2000NM0008"));
        machine.disk("nvme0n1", 1_953_525_168, "0", Some("SAMSUNG MZVL21T0HCLR-00B00   "));
        machine.disk("loop0", 8192, "0", None);
        machine.disk("zram0", 8192, "0", None);
        machine.disk("dm-0", 8192, "0", None);
        machine.disk("sdb", 0, "1", Some("an empty card reader"));
        machine.write(
            "proc/mounts",
            "proc /proc proc rw 0 0\n/dev/nvme0n1p2 / ext4 rw 0 0\n/dev/nvme0n1p2 /var/lib/docker/volumes/x ext4 rw 0 0\n\
             /dev/sda1 /srv/big\\040data xfs rw 0 0\n/dev/loop0 /snap/core squashfs ro 0 0\n\
             overlay /var/lib/docker/overlay2/a/merged overlay rw 0 0\nserver:/home /home nfs4 rw 0 0\n",
        );
        // A physical card, through its PCI function.
        machine.write("sys/devices/pci0000:3a/0000:3b:00.0/numa_node", "1\n");
        machine.interface("eno1", "0c:42:a1:00:00:01", "up", Some(("25000", "full")));
        machine.link("sys/class/net/eno1/device", "sys/devices/pci0000:3a/0000:3b:00.0");
        machine.link("sys/devices/pci0000:3a/0000:3b:00.0/driver", "sys/bus/pci/drivers/mlx5_core");
        machine.directory("sys/bus/pci/drivers/mlx5_core");
        // A virtio device one level below its function; no cable.
        machine.write("sys/devices/pci0000:00/0000:00:03.0/numa_node", "-1\n");
        machine.directory("sys/devices/pci0000:00/0000:00:03.0/virtio2");
        machine.interface("eth1", "52:54:00:00:00:02", "down", Some(("-1", "unknown")));
        machine.link("sys/class/net/eth1/device", "sys/devices/pci0000:00/0000:00:03.0/virtio2");
        machine.link("sys/devices/pci0000:00/0000:00:03.0/virtio2/driver", "sys/bus/virtio/drivers/virtio_net");
        machine.directory("sys/bus/virtio/drivers/virtio_net");
        machine.interface("docker0", "02:42:00:00:00:03", "up", None);
        machine.interface("veth1a2b3c", "02:42:00:00:00:04", "up", None);
        machine.interface("lo", "00:00:00:00:00:00", "unknown", None);
        machine.write(
            "proc/net/route",
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
             docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
             eth1\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             eno1\t00000000\t0101000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
        );
        machine
    }

    fn disk(&self, name: &str, sectors: u64, rotational: &str, model: Option<&str>) {
        self.write(&format!("sys/block/{name}/size"), &format!("{sectors}\n"));
        self.write(&format!("sys/block/{name}/queue/rotational"), &format!("{rotational}\n"));
        if let Some(model) = model {
            self.write(&format!("sys/block/{name}/device/model"), &format!("{model}\n"));
        }
    }

    pub fn interface(&self, name: &str, mac: &str, state: &str, speed: Option<(&str, &str)>) {
        let directory = format!("sys/class/net/{name}");
        self.write(&format!("{directory}/address"), &format!("{mac}\n"));
        self.write(&format!("{directory}/operstate"), &format!("{state}\n"));
        self.write(&format!("{directory}/mtu"), "1500\n");
        if let Some((speed, duplex)) = speed {
            self.write(&format!("{directory}/speed"), &format!("{speed}\n"));
            self.write(&format!("{directory}/duplex"), &format!("{duplex}\n"));
        }
    }
}

/// Answers of the system calls, the library and the programs; remembers which file systems were asked about.
#[derive(Clone, Default)]
pub struct ServerHost {
    pub asked: Arc<Mutex<Vec<PathBuf>>>,
}

impl Host for ServerHost {
    fn addresses(&self) -> Vec<(String, IpAddr)> {
        [
            ("lo", "127.0.0.1"),
            ("docker0", "172.17.0.1"),
            ("eth1", "192.0.2.7"),
            ("eno1", "fe80::1"),
            ("eno1", "2001:db8::5"),
            ("eno1", "10.0.1.5"),
        ]
        .map(|(name, ip)| (name.to_owned(), ip.parse().unwrap()))
        .into()
    }

    fn filesystem(&self, mount_point: &Path) -> Option<FilesystemUsage> {
        self.asked.lock().unwrap().push(mount_point.to_owned());
        Some(FilesystemUsage { size: 100 * GIB, used: 30 * GIB, available: 65 * GIB })
    }

    fn firmware(&self, interface: &str) -> Option<String> {
        (interface == "eno1").then(|| "16.32.1010 (MT_0000000080)".to_owned())
    }

    fn gpus(&self) -> Vec<GpuFacts> {
        vec![GpuFacts {
            index: 0,
            uuid: "GPU-1".into(),
            model: "NVIDIA A100-PCIE-40GB".into(),
            memory_mib: 40960,
            driver_version: Some("535.161.07".into()),
        }]
    }

    fn gpu_usage(&self) -> Vec<GpuUsage> {
        vec![GpuUsage { index: 0, percent: Some(87), memory_used_mib: Some(1234) }]
    }

    fn version(&self, program: &str) -> Option<String> {
        // This machine has libvirt's client only.
        match program {
            "virsh" => Some("9.0.0".to_owned()),
            name if name.starts_with("qemu-system-") => Some("7.2.19".to_owned()),
            _ => None,
        }
    }
}
