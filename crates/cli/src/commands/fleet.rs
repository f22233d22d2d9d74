//! `fleet`: the whole installation at a glance, as tables one below the other, or as one document.

use std::collections::BTreeMap;

use berth_types::{
    fleet::{FleetNode, FleetResource, FleetShare},
    quantities::{mib_to_gb, milli_to_gpus, millicores_to_cores},
    sites::ResourceKind,
};

use crate::{
    context::Context,
    output::{Column, Format, number, part, print},
};

const RESOURCES: &[Column<FleetResource>] = &[
    ("RESOURCE", |row| row.resource_type.to_string()),
    ("TOTAL", |row| amount(row.resource_type, row.total)),
    ("RESERVED", |row| amount(row.resource_type, row.reserved)),
    ("ALLOCATED", |row| amount(row.resource_type, row.allocated)),
    ("SELLABLE", |row| amount(row.resource_type, row.sellable)),
];

const NODES: &[Column<FleetNode>] = &[
    ("NODE", |row| row.name.clone()),
    ("STATUS", |row| row.status.to_string()),
    ("SESSIONS", |row| row.session_count.to_string()),
    ("CORES", |row| part(row.allocated_cpu_cores, row.total_cpu_cores)),
    ("MEMORY GB", |row| part(row.allocated_memory_gb, row.total_memory_gb)),
    ("GPU", |row| part(row.allocated_gpu_count, row.total_gpu_count)),
    ("CPU %", |row| row.cpu_percent.map(number).unwrap_or_default()),
    ("MEMORY %", |row| row.memory_percent.map(number).unwrap_or_default()),
];

const TENANTS: &[Column<FleetShare>] = &[
    ("TENANT", |row| row.name.clone()),
    ("SESSIONS", |row| row.sessions.to_string()),
    ("CORES", |row| number(row.cpu)),
    ("MEMORY GB", |row| number(row.memory_gb)),
    ("GPU", |row| number(row.gpu)),
    ("STORAGE GB", |row| number(row.storage_gb)),
];

const USERS: &[Column<FleetShare>] =
    &[("USER", |row| row.name.clone()), TENANTS[1], TENANTS[2], TENANTS[3], TENANTS[4], TENANTS[5]];

/// In the unit that people think in.
fn amount(kind: ResourceKind, base: i64) -> String {
    match kind {
        ResourceKind::Cpu => format!("{} cores", number(millicores_to_cores(base))),
        ResourceKind::Memory | ResourceKind::Storage => format!("{} GB", number(mib_to_gb(base))),
        ResourceKind::Gpu => format!("{} GPUs", number(milli_to_gpus(base))),
        ResourceKind::Network => format!("{base} Mbit/s"),
    }
}

fn counts(noun: &str, of: &BTreeMap<String, i64>) -> String {
    let words: Vec<_> = of.iter().map(|(status, count)| format!("{count} {status}")).collect();
    format!("{noun}: {}\n", if words.is_empty() { "none".to_owned() } else { words.join(", ") })
}

pub async fn fleet(context: &Context) -> anyhow::Result<()> {
    let (fleet, out) = (context.client.fleet_get().await?, context.out);
    if out.format != Format::Table {
        return out.show(&fleet);
    }
    print(&counts("nodes", &fleet.nodes_by_status))?;
    print(&counts("sessions", &fleet.sessions_by_status))?;
    print("\n")?;
    out.rows(&fleet.resources, RESOURCES)?;
    if !fleet.nodes.is_empty() {
        print("\n")?;
        out.rows(&fleet.nodes, NODES)?;
    }
    for (shares, columns) in [(&fleet.tenants, TENANTS), (&fleet.users, USERS)] {
        if !shares.is_empty() {
            print("\n")?;
            out.rows(shares, columns)?;
        }
    }
    Ok(())
}
