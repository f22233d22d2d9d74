//! Data centres, pools, nodes from facts, the catalogue, on both databases.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use berth_store::{
    Store, StoreError, applications, bootstrap,
    page::PageRequest,
    sites::{self, Registration},
};
use berth_types::{
    StringMap,
    applications::{ApplicationCreate, ApplicationUpdate},
    facts::{GpuFacts, HostFacts, InterfaceFacts},
    identity::Scope,
    sites::{
        EdgeDataCenterCreate, EdgeDataCenterUpdate, EngineKind, HealthStatus, InterfaceType, NodeAdminState,
        NodeFilter, NodeReachability, NodeResourceUpdate, NodeStatus, NodeUpdate, ResourceKind, ResourcePoolCreate,
        ResourcePoolUpdate, SchedulingPolicy,
    },
};
use common::{after, on_both, t0};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

fn facts() -> HostFacts {
    HostFacts {
        hostname: "rack1".into(),
        architecture: "x86_64".into(),
        kernel_version: Some("6.1".into()),
        machine_id: Some("0123456789abcdef".into()),
        cpu_threads: 8,
        memory_mib: 16_384,
        primary_ip: Some("192.0.2.10".into()),
        interfaces: vec![
            InterfaceFacts {
                interface_name: "eth0".into(),
                mac_address: Some("02:00:00:00:00:01".into()),
                ip_addresses: vec!["192.0.2.10".into()],
                speed_mbps: Some(10_000),
                status: "up".into(),
                numa_node: Some(0),
                physical: true,
                ..InterfaceFacts::default()
            },
            InterfaceFacts {
                interface_name: "eth1".into(),
                status: "down".into(),
                physical: true,
                ..InterfaceFacts::default()
            },
        ],
        gpus: vec![
            GpuFacts { index: 0, uuid: "GPU-a".into(), model: "A100".into(), memory_mib: 40_960, driver_version: None },
            GpuFacts { index: 1, uuid: "GPU-b".into(), model: "A100".into(), memory_mib: 40_960, driver_version: None },
        ],
        ..HostFacts::default()
    }
}

async fn registration(store: &Store) -> Registration {
    let tx = store.begin().await.unwrap();
    let defaults = bootstrap::run(&tx, t0()).await.unwrap();
    tx.commit().await.unwrap();
    Registration {
        name: "rack1".into(),
        engine: EngineKind::Docker,
        edge_data_center_id: defaults.edge_data_center_id,
        resource_pool_id: defaults.resource_pool_id,
        totals: Registration::totals_of(&facts(), 102_400),
        facts: facts(),
        reservations: [(ResourceKind::Memory, 1024)].into(),
        capabilities: [("storage_limit".to_owned(), "false".to_owned())].into(),
    }
}

#[tokio::test]
async fn a_machine_registers_and_reports_again() {
    on_both(|store, _| async move {
        let first = registration(&store).await;
        let tx = store.begin().await.unwrap();
        let (node, is_new) = sites::node_register(&tx, &first, t0()).await.unwrap();
        assert!(is_new);
        // As a claim of the ledger would.
        use berth_store::entities::{gpu_devices, node_resources};
        node_resources::Entity::update_many()
            .set(node_resources::ActiveModel { allocated_capacity: Set(2500), ..Default::default() })
            .filter(node_resources::Column::NodeId.eq(node.id))
            .filter(node_resources::Column::ResourceType.eq(ResourceKind::Cpu))
            .exec(&tx)
            .await
            .unwrap();
        gpu_devices::Entity::update_many()
            .set(gpu_devices::ActiveModel { allocated_milli: Set(500), ..Default::default() })
            .filter(gpu_devices::Column::Uuid.eq("GPU-b"))
            .exec(&tx)
            .await
            .unwrap();
        let update = NodeUpdate {
            name: Some("alpha".into()),
            labels: Some([("zone".to_owned(), "a".to_owned())].into()),
            resources: Some(vec![NodeResourceUpdate {
                resource_type: ResourceKind::Cpu,
                reservation_capacity: Some(1000),
                overcommit_ratio: Some(1.5),
                max_per_workload: Some(4000),
            }]),
            ..NodeUpdate::default()
        };
        sites::node_update(&tx, node.id, &update, Some(1), after(1)).await.unwrap();
        let stale = sites::node_update(&tx, node.id, &update, Some(1), after(1)).await.unwrap_err();
        assert_eq!(stale, StoreError::Stale);

        // It comes back with more memory, one interface and one GPU less, and another name.
        let mut facts = facts();
        facts.hostname = "rack1-new".into();
        facts.memory_mib = 32_768;
        facts.interfaces.pop();
        facts.gpus.clear();
        let again =
            Registration { totals: Registration::totals_of(&facts, 102_400), facts, name: "rack9".into(), ..first };
        let (same, is_new) = sites::node_register(&tx, &again, after(60)).await.unwrap();
        assert!(!is_new);
        assert_eq!((same.id, same.name.as_str(), same.hostname.as_str()), (node.id, "alpha", "rack1-new"));
        tx.commit().await.unwrap();

        let detail = sites::node_detail(store.reader(), node.id).await.unwrap();
        assert_eq!(detail.node.labels["zone"], "a");
        assert_eq!((detail.node.total_cpu_cores, detail.node.total_memory_gb), (8.0, 32.0));
        assert_eq!(detail.node.allocated_cpu_cores, 2.5, "what was claimed was lost");
        assert_eq!(detail.node.network_bandwidth_mbps, Some(10_000));
        assert_eq!(detail.node.capabilities["storage_limit"], "false");
        assert_eq!(detail.node.last_heartbeat, Some(after(60)));
        let cpu = detail.resources.iter().find(|resource| resource.resource_type == ResourceKind::Cpu).unwrap();
        assert_eq!((cpu.available_capacity, cpu.constraints.max_per_workload), (12_000 - 2500 - 1000, Some(4000)));
        assert_eq!((cpu.constraints.overcommit_ratio, cpu.unit.as_str()), (1.5, "millicores"));
        let memory = detail.resources.iter().find(|resource| resource.resource_type == ResourceKind::Memory).unwrap();
        assert_eq!((memory.total_capacity, memory.reservation_capacity), (32_768, 1024));
        let uuids: Vec<_> = detail.gpu_devices.iter().map(|gpu| gpu.uuid.as_str()).collect();
        assert_eq!(uuids, ["GPU-b"], "a device in use stays until it is given back");
        assert_eq!(detail.network_interfaces.len(), 1);
        let eth0 = &detail.network_interfaces[0];
        assert_eq!((eth0.interface_type, eth0.numa_node), (InterfaceType::Management, Some(0)));
        let topologies = sites::network_topology_list(store.reader(), &PageRequest::default()).await.unwrap();
        assert_eq!(eth0.topology_id, Some(topologies.items[0].id));
        assert_eq!(detail.facts.unwrap().memory_mib, 32_768);
    })
    .await;
}

#[tokio::test]
async fn simulated_nodes_are_known_by_name() {
    on_both(|store, _| async move {
        let first = registration(&store).await;
        let simulated = |name: &str| Registration {
            name: name.into(),
            engine: EngineKind::Sim,
            facts: HostFacts { machine_id: None, primary_ip: None, hostname: name.into(), ..facts() },
            ..first.clone()
        };
        let tx = store.begin().await.unwrap();
        let (one, new) = sites::node_register(&tx, &simulated("sim-1"), t0()).await.unwrap();
        let (two, _) = sites::node_register(&tx, &simulated("sim-2"), t0()).await.unwrap();
        assert!(new && one.id != two.id);
        assert_eq!(sites::node_register(&tx, &simulated("sim-1"), after(9)).await.unwrap().0.id, one.id);
        // A real machine of that name gets another one.
        let (real, _) =
            sites::node_register(&tx, &Registration { name: "sim-1".into(), ..first.clone() }, t0()).await.unwrap();
        assert_eq!(real.name, "sim-1-2");
        tx.commit().await.unwrap();
        assert!(sites::node_detail(store.reader(), one.id).await.unwrap().facts.is_none());
        let page = sites::node_list(store.reader(), &NodeFilter::default()).await.unwrap();
        assert_eq!(page.items.len(), 3);
        let first_two = NodeFilter { limit: Some(2), ..NodeFilter::default() };
        let page = sites::node_list(store.reader(), &first_two).await.unwrap();
        assert_eq!(page.items.len(), 2);
        assert!(page.next_cursor.is_some());
        let inventory = sites::inventory(store.reader()).await.unwrap();
        assert_eq!(inventory.len(), 3);
        assert!(
            inventory.iter().all(|node| node.resources.len() == 5 && node.gpus.len() == 2 && node.node.facts.is_none())
        );
        let names = sites::node_names(store.reader(), &[one.id, two.id]).await.unwrap();
        assert_eq!(names[&two.id], "sim-2");
    })
    .await;
}

#[tokio::test]
async fn states_move_and_deletion_waits_for_the_ledger() {
    on_both(|store, _| async move {
        let first = registration(&store).await;
        let tx = store.begin().await.unwrap();
        let (node, _) = sites::node_register(&tx, &first, t0()).await.unwrap();
        let drained =
            sites::set_admin_state(&tx, node.id, NodeAdminState::Draining, Some(after(600)), Some(1), after(1));
        assert_eq!(drained.await.unwrap().drain_deadline_at, Some(after(600)));
        let active =
            sites::set_admin_state(&tx, node.id, NodeAdminState::Active, Some(after(600)), None, after(2)).await;
        assert_eq!(active.unwrap().drain_deadline_at, None);
        let lost = Some("no heartbeat for 2 minutes".to_owned());
        sites::set_reachability(&tx, node.id, NodeReachability::Offline, HealthStatus::Critical, lost, after(3))
            .await
            .unwrap();
        let detail = sites::node_detail(&tx, node.id).await.unwrap();
        assert_eq!((detail.node.status, detail.node.generation), (NodeStatus::Offline, 3));
        sites::note_heartbeat(&tx, node.id, HealthStatus::Healthy, None, after(4)).await.unwrap();
        assert_eq!(sites::node_detail(&tx, node.id).await.unwrap().node.status, NodeStatus::Active);
        let sealed = sites::set_connection(&tx, node.id, Some(vec![1, 2, 3]), after(4)).await.unwrap();
        assert_eq!(sealed.connection_config.as_deref(), Some(&[1, 2, 3][..]));

        let tenant = common::tenant(&tx, "physics").await;
        let user = berth_store::identity::user_insert(&tx, common::new_user(tenant, "ada"), t0()).await.unwrap().id;
        let claim = common::allocation(&tx, tenant, user, node.id).await;
        let in_use = sites::node_delete(&tx, node.id, None, after(5)).await.unwrap_err();
        assert!(matches!(in_use, StoreError::InUse(_)), "{in_use}");
        common::give_back(&tx, claim, after(6)).await;
        sites::node_delete(&tx, node.id, None, after(7)).await.unwrap();
        assert_eq!(sites::node(&tx, node.id).await.unwrap_err(), StoreError::NotFound("node"));
        assert_eq!(sites::node_names(&tx, &[node.id]).await.unwrap()[&node.id], "rack1");
        // The same machine may come back, as another node.
        let (reborn, is_new) = sites::node_register(&tx, &first, after(8)).await.unwrap();
        assert!(is_new && reborn.id != node.id);
    })
    .await;
}

#[tokio::test]
async fn sums_follow_the_nodes() {
    on_both(|store, _| async move {
        let first = registration(&store).await;
        let tx = store.begin().await.unwrap();
        let create = EdgeDataCenterCreate { name: "north".into(), location: Some("attic".into()) };
        let north = sites::edge_data_center_insert(&tx, &create, t0()).await.unwrap();
        let create = ResourcePoolCreate {
            name: "gpu".into(),
            description: None,
            edge_data_center_id: north.id,
            scheduling_policy: SchedulingPolicy::BinPack,
        };
        let pool = sites::resource_pool_insert(&tx, &create, t0()).await.unwrap();
        assert_eq!((pool.node_count, pool.totals.total_cpu_cores), (0, 0.0));
        let (node, _) = sites::node_register(&tx, &first, t0()).await.unwrap();
        let local = sites::edge_data_center_get(&tx, first.edge_data_center_id).await.unwrap();
        assert_eq!((local.totals.total_cpu_cores, local.totals.total_gpu_count), (8.0, 2.0));
        let update = NodeUpdate { resource_pool_id: Some(pool.id), ..NodeUpdate::default() };
        let moved = sites::node_update(&tx, node.id, &update, None, after(1)).await.unwrap();
        assert_eq!(moved.node.edge_data_center_id, north.id);
        let list = sites::edge_data_center_list(&tx, &PageRequest::default()).await.unwrap().items;
        assert_eq!(list.iter().map(|center| center.totals.total_memory_gb).collect::<Vec<_>>(), [0.0, 16.0]);
        let pools = sites::resource_pool_list(&tx, &PageRequest::default()).await.unwrap().items;
        assert_eq!(pools.iter().map(|pool| pool.node_count).collect::<Vec<_>>(), [0, 1]);

        let in_use = sites::resource_pool_delete(&tx, pool.id, None, after(2)).await.unwrap_err();
        assert!(matches!(in_use, StoreError::InUse(_)));
        let in_use = sites::edge_data_center_delete(&tx, north.id, None, after(2)).await.unwrap_err();
        assert!(matches!(in_use, StoreError::InUse(_)));
        sites::node_delete(&tx, node.id, None, after(3)).await.unwrap();
        let rename = ResourcePoolUpdate { name: Some("cards".into()), ..ResourcePoolUpdate::default() };
        assert_eq!(sites::resource_pool_update(&tx, pool.id, &rename, Some(1), after(3)).await.unwrap().name, "cards");
        sites::resource_pool_delete(&tx, pool.id, Some(2), after(4)).await.unwrap();
        let rename = EdgeDataCenterUpdate { name: Some("south".into()), ..EdgeDataCenterUpdate::default() };
        assert_eq!(sites::edge_data_center_update(&tx, north.id, &rename, None, after(4)).await.unwrap().name, "south");
        sites::edge_data_center_delete(&tx, north.id, None, after(5)).await.unwrap();
        assert_eq!(sites::edge_data_center_list(&tx, &PageRequest::default()).await.unwrap().items.len(), 1);
        tx.commit().await.unwrap();

        let tx = store.begin().await.unwrap();
        let again = EdgeDataCenterCreate { name: "local".into(), location: None };
        let error = sites::edge_data_center_insert(&tx, &again, t0()).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { field, .. } if field == "name"));
    })
    .await;
}

fn application(name: &str) -> ApplicationCreate {
    serde_json::from_value(serde_json::json!({"name": name, "title": name, "container_image": "example.org/app:1"}))
        .unwrap()
}

#[tokio::test]
async fn the_catalogue_has_shipped_and_own_entries() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let (physics, law) = (common::tenant(&tx, "physics").await, common::tenant(&tx, "law").await);
        let shipped = |image: &str| {
            let application = ApplicationCreate { container_image: image.into(), ..application("terminal") };
            [applications::Shipped { application, builtin: true, untested: false }]
        };
        applications::ensure_builtin(&tx, &shipped("berth/terminal:1"), t0()).await.unwrap();
        let terminal = applications::by_name(&tx, physics, "terminal").await.unwrap();
        assert!(terminal.builtin && terminal.tenant_id.is_none());
        applications::ensure_builtin(&tx, &shipped("berth/terminal:1"), after(5)).await.unwrap();
        assert_eq!(
            applications::by_name(&tx, physics, "terminal").await.unwrap().updated_at,
            t0(),
            "a restart changed it"
        );
        applications::ensure_builtin(&tx, &shipped("berth/terminal:2"), after(6)).await.unwrap();
        assert_eq!(applications::by_name(&tx, physics, "terminal").await.unwrap().container_image, "berth/terminal:2");

        let own = applications::insert(&tx, Some(physics), &application("terminal"), t0()).await.unwrap();
        assert_eq!(applications::by_name(&tx, physics, "terminal").await.unwrap().id, own.id);
        assert_eq!(applications::by_name(&tx, law, "terminal").await.unwrap().id, terminal.id);
        let foreign = applications::get(&tx, Scope::Tenant(law), own.id).await.unwrap_err();
        assert_eq!(foreign, StoreError::NotFound("application"));
        assert_eq!(
            applications::list(&tx, Scope::Tenant(physics), &PageRequest::default()).await.unwrap().items.len(),
            2
        );
        assert_eq!(applications::list(&tx, Scope::Tenant(law), &PageRequest::default()).await.unwrap().items.len(), 1);

        let disable =
            ApplicationUpdate { enabled: Some(false), default_cpu: Some(2.0), ..ApplicationUpdate::default() };
        let denied = applications::update(&tx, Scope::Tenant(physics), terminal.id, &disable, None, after(7)).await;
        assert_eq!(denied.unwrap_err(), StoreError::NotFound("application"));
        let changed =
            applications::update(&tx, Scope::Platform, terminal.id, &disable, Some(1), after(7)).await.unwrap();
        assert_eq!((changed.enabled, changed.default_cpu, changed.generation), (false, 2.0, 2));
        applications::ensure_builtin(&tx, &shipped("berth/terminal:3"), after(8)).await.unwrap();
        let kept = applications::get(&tx, Scope::Platform, terminal.id).await.unwrap();
        assert_eq!(
            (kept.enabled, kept.container_image.as_str()),
            (false, "berth/terminal:2"),
            "an admin's change was lost"
        );
        let shipped_stays = applications::delete(&tx, Scope::Platform, terminal.id, None).await.unwrap_err();
        assert!(matches!(shipped_stays, StoreError::Conflict(_)));
        assert_eq!(applications::delete(&tx, Scope::Platform, own.id, Some(7)).await.unwrap_err(), StoreError::Stale);
        applications::delete(&tx, Scope::Tenant(physics), own.id, Some(1)).await.unwrap();
        tx.commit().await.unwrap();
        for tenant in [None, Some(law)] {
            let tx = store.begin().await.unwrap();
            applications::insert(&tx, tenant, &application("notes"), t0()).await.unwrap();
            let error = applications::insert(&tx, tenant, &application("notes"), t0()).await.unwrap_err();
            assert_eq!(error, StoreError::AlreadyExists { what: "application".into(), field: "name".into() });
        }
        assert_eq!(StringMap::new(), kept.environment_variables);
    })
    .await;
}
