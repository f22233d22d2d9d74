//! What lists can be narrowed to, on both databases: each filter finds what it names and nothing else, and a text is
//! found whatever its case and whatever it means to SQL.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use berth_store::{
    audit::{self, NewAudit},
    events::{self, NewEvent},
    identity,
    operations::{self, NewOperation},
    sessions, sites,
};
use berth_types::{
    audit::{AuditFilter, AuditStatus},
    events::EventFilter,
    identity::{Role, Scope, TenantFilter, TenantUpdate, UserFilter, UserStatus, UserUpdate},
    operations::{OperationFilter, OperationKind, OperationStatus, SubjectType},
    sessions::SessionFilter,
    sites::{EngineKind, HealthStatus, NodeAdminState, NodeFilter, NodeReachability, NodeStatus, NodeUpdate},
};
use common::{after, new_session, new_user, on_both, simulated_node, t0};
use sea_orm::ActiveModelTrait;

fn search(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn people_and_tenants() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let (physics, law) = (common::tenant(&tx, "Physics").await, common::tenant(&tx, "law_1").await);
        let update = TenantUpdate { description: Some("100% of the physicists' rivals".into()), ..Default::default() };
        identity::tenant_update(&tx, Scope::Platform, law, &update, None, t0()).await.unwrap();
        let tenants = async |scope, text: &str| {
            let filter = TenantFilter { search: search(text), ..TenantFilter::default() };
            let page = identity::tenant_list(&tx, scope, &filter).await.unwrap();
            page.items.into_iter().map(|tenant| tenant.id).collect::<Vec<_>>()
        };
        assert_eq!(tenants(Scope::Platform, "physic").await, [physics, law]);
        assert_eq!(tenants(Scope::Platform, "PHYSICS").await, [physics]);
        assert_eq!(tenants(Scope::Tenant(law), "physic").await, [law], "a search stays inside of the scope");
        assert_eq!(tenants(Scope::Platform, "w_1").await, [law]);
        assert_eq!(tenants(Scope::Platform, "_w").await, [], "an underscore is itself");
        assert_eq!(tenants(Scope::Platform, "0%").await, [law]);
        assert_eq!(tenants(Scope::Platform, "%").await, [law], "a percent sign is itself");
        assert_eq!(tenants(Scope::Platform, "\\").await, []);
        assert_eq!(tenants(Scope::Platform, "'").await, [law]);

        let mut ids = Vec::new();
        for (tenant, name, full_name, email, role) in [
            (physics, "ada", Some("Ada Lovelace"), Some("ada@physics.example"), Role::Teacher),
            (physics, "bob", Some("Jörg Übel"), None, Role::User),
            (law, "eve", None, Some("Eve@law.example"), Role::User),
        ] {
            let full_name = full_name.map(str::to_owned);
            let user = identity::NewUser { full_name, email: email.map(str::to_owned), role, ..new_user(tenant, name) };
            ids.push(identity::user_insert(&tx, user, t0()).await.unwrap().id);
        }
        let inactive = UserUpdate { status: Some(UserStatus::Inactive), ..UserUpdate::default() };
        identity::user_update(&tx, Scope::Platform, ids[1], &inactive, None, None, t0()).await.unwrap();
        let users = async |scope, filter: UserFilter| {
            let page = identity::user_list(&tx, scope, &filter).await.unwrap();
            page.items.into_iter().map(|user| user.id).collect::<Vec<_>>()
        };
        let filter = UserFilter::default;
        assert_eq!(users(Scope::Platform, UserFilter { search: search("LOVE"), ..filter() }).await, [ids[0]]);
        assert_eq!(users(Scope::Platform, UserFilter { search: search("Übel"), ..filter() }).await, [ids[1]]);
        assert_eq!(users(Scope::Platform, UserFilter { search: search("eve@LAW"), ..filter() }).await, [ids[2]]);
        assert_eq!(users(Scope::Tenant(law), UserFilter { search: search("ada"), ..filter() }).await, []);
        assert_eq!(users(Scope::Platform, UserFilter { role: Some(Role::User), ..filter() }).await, ids[1..]);
        let status = Some(UserStatus::Inactive);
        assert_eq!(users(Scope::Platform, UserFilter { status, ..filter() }).await, [ids[1]]);
        let tenant_id = Some(physics);
        assert_eq!(users(Scope::Platform, UserFilter { tenant_id, ..filter() }).await, ids[..2]);
        assert_eq!(users(Scope::Tenant(law), UserFilter { tenant_id, ..filter() }).await, []);
        let both = UserFilter { tenant_id, role: Some(Role::User), search: search("b"), ..filter() };
        assert_eq!(users(Scope::Platform, both).await, [ids[1]]);

        let session = new_session(physics, ids[0], "Training_Run", 1000).insert(&tx).await.unwrap().id;
        let sessions = async |text: &str| {
            let filter = SessionFilter { search: search(text), ..SessionFilter::default() };
            let page = sessions::list(&tx, Scope::Platform, &filter).await.unwrap();
            page.items.into_iter().map(|session| session.id).collect::<Vec<_>>()
        };
        assert_eq!(sessions("training").await, [session]);
        assert_eq!(sessions("G_r").await, [session]);
        assert_eq!(sessions("t_r").await, []);
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nodes() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let mut ids = Vec::new();
        for number in 1..=4 {
            ids.push(simulated_node(&tx, &format!("Rack-{number}")).await);
        }
        let business_ip = Some("192.0.2.77".to_owned());
        let update = NodeUpdate { name: Some("gpu-box".into()), business_ip, ..NodeUpdate::default() };
        sites::node_update(&tx, ids[3], &update, None, t0()).await.unwrap();
        sites::set_admin_state(&tx, ids[0], NodeAdminState::Draining, None, None, t0()).await.unwrap();
        for id in &ids[..2] {
            sites::set_reachability(&tx, *id, NodeReachability::Offline, HealthStatus::Critical, None, t0())
                .await
                .unwrap();
        }
        let list = async |filter: NodeFilter| {
            let page = sites::node_list(&tx, &filter).await.unwrap();
            page.items.into_iter().map(|node| (node.id, node.status)).collect::<Vec<_>>()
        };
        let all = list(NodeFilter::default()).await;
        assert_eq!(all.len(), 4);
        for status in NodeStatus::ALL {
            let of: Vec<_> = all.iter().copied().filter(|(_, has)| has == status).collect();
            assert_eq!(list(NodeFilter { status: Some(*status), ..NodeFilter::default() }).await, of, "{status}");
        }
        let found = async |text: &str| {
            let rows = list(NodeFilter { search: search(text), ..NodeFilter::default() }).await;
            rows.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(found("rack").await, ids, "a changed name leaves the hostname");
        assert_eq!(found("GPU").await, [ids[3]]);
        assert_eq!(found("192.0.2").await, [ids[3]]);
        assert_eq!(found("192_0").await, []);
        assert_eq!(list(NodeFilter { engine: Some(EngineKind::Sim), ..NodeFilter::default() }).await, all);
        assert_eq!(list(NodeFilter { engine: Some(EngineKind::Docker), ..NodeFilter::default() }).await, []);
        let one = NodeFilter { search: search("rack"), limit: Some(3), ..NodeFilter::default() };
        let page = sites::node_list(&tx, &one).await.unwrap();
        let rest = sites::node_list(&tx, &NodeFilter { cursor: page.next_cursor, ..one }).await.unwrap();
        assert_eq!((rest.items[0].id, rest.items.len(), rest.next_cursor), (ids[3], 1, None));
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_happened() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let mut entries = Vec::new();
        for (number, action, username, resource_type, status) in [
            (0, "session_launch", "Ada", "session", AuditStatus::Success),
            (1, "session_stop", "bob", "session", AuditStatus::Denied),
            (2, "auth_login", "bob", "auth", AuditStatus::Failure),
        ] {
            let entry = NewAudit {
                tenant_id: None,
                user_id: None,
                username: username.into(),
                action: action.into(),
                resource_type: resource_type.into(),
                resource_id: None,
                details: Default::default(),
                ip_address: None,
                user_agent: None,
                request_id: None,
                status,
            };
            entries.push(audit::insert(&tx, entry, after(number)).await.unwrap());
        }
        let list = async |filter: AuditFilter| {
            let page = audit::list(&tx, Scope::Platform, &filter).await.unwrap();
            page.items.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let filter = AuditFilter::default;
        assert_eq!(list(AuditFilter { search: search("BOB"), ..filter() }).await, [entries[2], entries[1]]);
        assert_eq!(list(AuditFilter { search: search("ion_l"), ..filter() }).await, [entries[0]]);
        let of_sessions = AuditFilter { resource_type: Some("session".into()), ..filter() };
        assert_eq!(list(of_sessions).await, [entries[1], entries[0]]);
        assert_eq!(list(AuditFilter { status: Some(AuditStatus::Denied), ..filter() }).await, [entries[1]]);
        assert_eq!(list(AuditFilter { since: Some(after(1)), ..filter() }).await, [entries[2], entries[1]]);
        assert_eq!(list(AuditFilter { until: Some(after(1)), ..filter() }).await, [entries[0]]);
        let between = AuditFilter { since: Some(after(1)), until: Some(after(2)), ..filter() };
        assert_eq!(list(between).await, [entries[1]]);

        let mut happened = Vec::new();
        for (number, message) in [(0, "Node rack1 is back"), (1, "pull failed: 404 for quiet:1"), (2, "100% full")] {
            happened.push(events::insert(&tx, NewEvent::new("kind", message), after(number)).await.unwrap().id);
        }
        let list = async |filter: EventFilter| {
            let page = events::list(&tx, Scope::Platform, &filter).await.unwrap();
            page.items.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let filter = EventFilter::default;
        assert_eq!(list(EventFilter { search: search("RACK1"), ..filter() }).await, [happened[0]]);
        assert_eq!(list(EventFilter { search: search("0%"), ..filter() }).await, [happened[2]]);
        assert_eq!(list(EventFilter { since: Some(after(1)), ..filter() }).await, [happened[2], happened[1]]);
        assert_eq!(list(EventFilter { until: Some(after(1)), ..filter() }).await, [happened[0]]);

        let node = simulated_node(&tx, "rack1").await;
        let mut wanted = Vec::new();
        for (kind, subject_type, subject_id) in [
            (OperationKind::NodeDrain, SubjectType::Node, node.0),
            (OperationKind::SessionStop, SubjectType::Session, uuid::Uuid::now_v7()),
        ] {
            let operation = NewOperation {
                kind,
                subject_type,
                subject_id,
                tenant_id: None,
                requested_by: None,
                steps: vec!["one".into()],
                generation: 1,
                deadline_at: after(60),
                claimed_by: None,
            };
            wanted.push(operations::enqueue(&tx, operation, t0()).await.unwrap());
        }
        for (filter, expected) in [
            (OperationFilter { kind: Some(OperationKind::NodeDrain), ..Default::default() }, vec![wanted[0].id]),
            (OperationFilter { kind: Some(OperationKind::SessionPause), ..Default::default() }, vec![]),
            (
                OperationFilter { status: Some(OperationStatus::Pending), ..Default::default() },
                vec![wanted[1].id, wanted[0].id],
            ),
        ] {
            let page = operations::list(&tx, Scope::Platform, &filter).await.unwrap();
            assert_eq!(page.items.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{filter:?}");
        }
        tx.commit().await.unwrap();
    })
    .await;
}
