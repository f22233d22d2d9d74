//! What a machine is made of, as read from the machine itself by the agent. Units are base units (see `quantities`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Facts of one Linux host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostFacts {
    pub hostname: String,
    /// e.g. `x86_64`
    pub architecture: String,
    pub os_version: Option<String>,
    pub kernel_version: Option<String>,
    pub docker_version: Option<String>,
    pub libvirt_version: Option<String>,
    pub qemu_version: Option<String>,
    /// `/etc/machine-id`, when there is one: tells a renamed machine from another one.
    pub machine_id: Option<String>,
    pub cpu_model: Option<String>,
    /// Logical processors this process's machine offers.
    pub cpu_threads: i64,
    pub numa_nodes: i64,
    pub memory_mib: i64,
    pub swap_mib: i64,
    /// The address that the default route leaves by, else the first global one.
    pub primary_ip: Option<String>,
    pub disks: Vec<DiskFacts>,
    pub filesystems: Vec<FilesystemFacts>,
    pub interfaces: Vec<InterfaceFacts>,
    pub gpus: Vec<GpuFacts>,
    /// Hardware virtualisation that works: `/dev/kvm` opens and the processor has vmx or svm.
    pub kvm: bool,
}

/// A whole block device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiskFacts {
    pub name: String,
    pub model: Option<String>,
    pub size_mib: i64,
    pub rotational: bool,
}

/// A mounted file system that holds data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FilesystemFacts {
    pub mount_point: String,
    pub kind: String,
    pub size_mib: i64,
    pub available_mib: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InterfaceFacts {
    pub interface_name: String,
    pub mac_address: Option<String>,
    pub ip_addresses: Vec<String>,
    /// Mbit/s; absent when the driver does not say.
    pub speed_mbps: Option<i64>,
    pub duplex: Option<String>,
    /// The kernel's operstate: up, down, unknown…
    pub status: String,
    pub driver: Option<String>,
    pub firmware_version: Option<String>,
    pub pci_slot: Option<String>,
    pub numa_node: Option<i64>,
    pub mtu: Option<i64>,
    /// Has a device behind it, unlike bridges and veths.
    pub physical: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GpuFacts {
    pub index: i64,
    pub uuid: String,
    pub model: String,
    pub memory_mib: i64,
    pub driver_version: Option<String>,
}
