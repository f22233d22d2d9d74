//! Tenants, users, logins, wrong passwords and permissions, on both databases.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use berth_store::{
    StoreError, bootstrap,
    identity::{self, NewLogin, NewUser, Refresh, Rotation},
    page::PageRequest,
    secrets,
};
use berth_types::{
    SecretId, Timestamp, UserId,
    identity::{
        LoginKind, PermissionAction, PermissionScope, QuotaConfig, ResourceType, Role, RoleGrant, Scope, TenantCreate,
        TenantStatus, TenantUpdate, UserFilter, UserStatus, UserUpdate,
    },
};
use common::{after, new_user, on_both, t0};

#[tokio::test]
async fn bootstrap_is_idempotent_and_keeps_changes() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let defaults = bootstrap::run(&tx, t0()).await.unwrap();
        let grants = identity::grants(&tx).await.unwrap();
        let removed = identity::role_permission_replace(&tx, Role::User, &[]).await.unwrap();
        assert!(removed.grants.is_empty());
        assert_eq!(bootstrap::run(&tx, after(60)).await.unwrap(), defaults);
        tx.commit().await.unwrap();
        let db = store.reader();
        let now = identity::grants(db).await.unwrap();
        assert_eq!(now.len(), grants.iter().filter(|grant| grant.role != Role::User).count());
        let has = |role, resource_type, action, scope| {
            grants.iter().any(|g| (g.role, g.resource_type, g.action, g.scope) == (role, resource_type, action, scope))
        };
        assert!(has(Role::Admin, ResourceType::Settings, PermissionAction::Manage, PermissionScope::Any));
        assert!(has(Role::TenantAdmin, ResourceType::Session, PermissionAction::Execute, PermissionScope::Own));
        assert!(has(Role::Operator, ResourceType::Server, PermissionAction::Manage, PermissionScope::Any));
        assert!(!grants.iter().any(|g| g.role == Role::Operator
            && g.action == PermissionAction::Execute
            && g.resource_type == ResourceType::Session));
        assert!(!grants.iter().any(|g| g.role == Role::Readonly && g.action != PermissionAction::Read));
        let names = identity::permission_list(db).await.unwrap();
        assert!(names.iter().any(|permission| permission.permission_name == "session.execute"));
        assert_eq!(identity::role_permission_list(db).await.unwrap().len(), Role::ALL.len());
    })
    .await;
}

#[tokio::test]
async fn unknown_and_double_grants_are_refused() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        bootstrap::run(&tx, t0()).await.unwrap();
        let grant = |name: &str| RoleGrant { permission_name: name.into(), scope: PermissionScope::Own };
        for grants in [vec![grant("session.fly")], vec![grant("session.read"), grant("session.read")]] {
            let error = identity::role_permission_replace(&tx, Role::User, &grants).await.unwrap_err();
            assert!(matches!(error, StoreError::InvalidFilter { field: "grants", .. }), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn tenants_live_and_go() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let create = TenantCreate { name: "physics".into(), description: None, quota_config: QuotaConfig::default() };
        let tenant = identity::tenant_insert(&tx, &create, None, t0()).await.unwrap();
        assert_eq!(tenant.created_at, t0(), "microseconds were lost");
        tx.commit().await.unwrap();

        let tx = store.begin().await.unwrap();
        let error = identity::tenant_insert(&tx, &create, None, t0()).await.unwrap_err();
        assert_eq!(error, StoreError::AlreadyExists { what: "tenant".into(), field: "name".into() });
        drop(tx);

        let tx = store.begin().await.unwrap();
        let update = TenantUpdate {
            description: Some("quarks".into()),
            quota_config: Some(QuotaConfig { sessions: Some(50), cpu: Some(1.5), ..QuotaConfig::default() }),
            ..TenantUpdate::default()
        };
        let scope = Scope::Platform;
        let changed = identity::tenant_update(&tx, scope, tenant.id, &update, Some(1), after(1)).await.unwrap();
        assert_eq!((changed.generation, changed.quota_config.sessions), (2, Some(50)));
        assert_eq!((changed.name.as_str(), changed.updated_at), ("physics", after(1)));
        let stale = identity::tenant_update(&tx, scope, tenant.id, &update, Some(1), after(1)).await.unwrap_err();
        assert_eq!(stale, StoreError::Stale);
        let law = TenantCreate { name: "law".into(), ..create.clone() };
        let other = identity::tenant_insert(&tx, &law, None, t0()).await.unwrap();
        let foreign = identity::tenant_get(&tx, Scope::Tenant(other.id), tenant.id).await.unwrap_err();
        assert_eq!(foreign, StoreError::NotFound("tenant"));

        let user = identity::user_insert(&tx, new_user(tenant.id, "ada"), t0()).await.unwrap();
        let in_use = identity::tenant_delete(&tx, scope, tenant.id, None, after(2)).await.unwrap_err();
        assert!(matches!(in_use, StoreError::InUse(_)));
        identity::user_delete(&tx, scope, user.id, None, after(2)).await.unwrap();
        identity::tenant_delete(&tx, scope, tenant.id, Some(2), after(2)).await.unwrap();
        assert_eq!(identity::tenant_get(&tx, scope, tenant.id).await.unwrap_err(), StoreError::NotFound("tenant"));
        // Its name is free again.
        identity::tenant_insert(&tx, &create, None, after(3)).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn usernames_and_emails_ignore_case() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let tenant = common::tenant(&tx, "physics").await;
        let ada = NewUser { email: Some("Ada@Example.org".into()), ..new_user(tenant, "ada") };
        let ada = identity::user_insert(&tx, ada, t0()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(identity::user_by_name(store.reader(), "ADA").await.unwrap().unwrap().id, ada.id);
        assert!(identity::user_by_name(store.reader(), "ad").await.unwrap().is_none());
        for (user, field) in [
            (new_user(tenant, "Ada"), "username"),
            (NewUser { email: Some("aDA@example.org".into()), ..new_user(tenant, "bob") }, "email"),
        ] {
            let tx = store.begin().await.unwrap();
            let error = identity::user_insert(&tx, user, t0()).await.unwrap_err();
            assert_eq!(error, StoreError::AlreadyExists { what: "user".into(), field: field.into() });
        }
        let tx = store.begin().await.unwrap();
        // Several users without an address are no contradiction.
        identity::user_insert(&tx, new_user(tenant, "carl"), t0()).await.unwrap();
        identity::user_insert(&tx, new_user(tenant, "dora"), t0()).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn users_change_within_scope_and_generation() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let (physics, law) = (common::tenant(&tx, "physics").await, common::tenant(&tx, "law").await);
        let ada = identity::user_insert(&tx, new_user(physics, "ada"), t0()).await.unwrap();
        let bob = identity::user_insert(&tx, new_user(law, "bob"), t0()).await.unwrap();
        let update = UserUpdate {
            quota_cpu_hours: Some(1.5),
            quota_memory_gb_hours: Some(2.0),
            quota_storage_gb: Some(0.5),
            role: Some(Role::Teacher),
            preferences: Some([("theme".to_owned(), "dark".to_owned())].into()),
            password: Some("a new password".into()),
            ..UserUpdate::default()
        };
        let scope = Scope::Tenant(physics);
        let hash = Some("hash-2".to_owned());
        let foreign =
            identity::user_update(&tx, scope, bob.id, &update, hash.clone(), None, after(1)).await.unwrap_err();
        assert_eq!(foreign, StoreError::NotFound("user"));
        let changed = identity::user_update(&tx, scope, ada.id, &update, hash, Some(1), after(1)).await.unwrap();
        assert_eq!(changed.role, Role::Teacher);
        assert_eq!((changed.quota_cpu_hours, changed.quota_memory_gb_hours), (Some(1.5), Some(2.0)));
        assert_eq!((changed.quota_storage_gb, changed.must_change_password), (Some(0.5), true));
        assert_eq!(changed.preferences["theme"], "dark");
        let record = identity::user_record(&tx, Scope::Platform, ada.id).await.unwrap();
        assert_eq!(
            (record.quota_cpu_millicore_seconds, record.quota_memory_mib_seconds),
            (Some(5_400_000), Some(7_372_800))
        );
        assert_eq!(record.password_hash, "hash-2");
        let stale = UserUpdate { full_name: Some("Ada".into()), ..UserUpdate::default() };
        let error = identity::user_update(&tx, scope, ada.id, &stale, None, Some(1), after(2)).await.unwrap_err();
        assert_eq!(error, StoreError::Stale);
        let page = identity::user_list(&tx, scope, &UserFilter::default()).await.unwrap();
        assert_eq!(page.items.iter().map(|user| user.id).collect::<Vec<_>>(), [ada.id]);
        let own = identity::user_list(&tx, Scope::Own(physics, ada.id), &UserFilter::default()).await.unwrap();
        assert_eq!(own.items.len(), 1);
        let all = identity::user_list(&tx, Scope::Platform, &UserFilter::default()).await.unwrap();
        assert_eq!(all.items.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn pages_cover_each_row_once() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let tenant = common::tenant(&tx, "physics").await;
        let mut ids = Vec::new();
        for number in 0..7 {
            ids.push(identity::user_insert(&tx, new_user(tenant, &format!("user{number}")), t0()).await.unwrap().id);
        }
        let mut seen: Vec<UserId> = Vec::new();
        let mut cursor = None;
        loop {
            let page = identity::user_list(
                &tx,
                Scope::Platform,
                &UserFilter { limit: Some(3), cursor, ..UserFilter::default() },
            )
            .await
            .unwrap();
            assert!(page.items.len() <= 3);
            seen.extend(page.items.iter().map(|user| user.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids);
        let wrong = identity::user_list(
            &tx,
            Scope::Platform,
            &UserFilter { cursor: Some("%%".into()), ..UserFilter::default() },
        )
        .await;
        assert!(matches!(wrong.unwrap_err(), StoreError::InvalidFilter { field: "cursor", .. }));
    })
    .await;
}

fn new_login(user: &berth_types::identity::User, token: &str, now: Timestamp) -> NewLogin {
    NewLogin {
        tenant_id: user.tenant_id,
        user_id: user.id,
        kind: LoginKind::Cli,
        name: None,
        session_token_hash: format!("{token}-access"),
        refresh_token_hash: Some(format!("{token}-refresh")),
        csrf_hash: Some("csrf".into()),
        permissions: vec!["session.read".into()],
        access_expires_at: now + chrono::Duration::minutes(15),
        expires_at: now + chrono::Duration::days(30),
        client_ip: Some("192.0.2.1".into()),
        user_agent: None,
    }
}

#[tokio::test]
async fn logins_rotate_and_end() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let tenant = common::tenant(&tx, "physics").await;
        let ada = identity::user_insert(&tx, new_user(tenant, "ada"), t0()).await.unwrap();
        let login = identity::login_insert(&tx, new_login(&ada, "one", t0()), t0()).await.unwrap();
        tx.commit().await.unwrap();
        let db = store.reader();
        let found = identity::login_by_token(db, "one-access", after(1)).await.unwrap().unwrap();
        assert_eq!((found.id, found.user_id, found.role), (login.id, ada.id, Role::User));
        assert_eq!((found.permissions, found.csrf_hash.as_deref()), (vec!["session.read".to_owned()], Some("csrf")));
        assert!(identity::login_by_token(db, "one-access", after(900)).await.unwrap().is_none(), "expired");
        assert!(identity::login_by_token(db, "two-access", after(1)).await.unwrap().is_none());

        let rotation = || Rotation {
            session_token_hash: "new-access".into(),
            refresh_token_hash: "new-refresh".into(),
            csrf_hash: None,
            access_expires_at: after(1900),
            expires_at: after(10_000),
        };
        let tx = store.begin().await.unwrap();
        assert!(matches!(
            identity::login_by_refresh(&tx, "one-refresh", after(1000)).await.unwrap(),
            Some(Refresh::Current(row)) if row.id == login.id
        ));
        identity::login_rotate(&tx, login.id, "one-refresh", rotation(), after(1000)).await.unwrap();
        let again = identity::login_rotate(&tx, login.id, "one-refresh", rotation(), after(1000)).await.unwrap_err();
        assert!(matches!(again, StoreError::Conflict(_)));
        assert!(matches!(
            identity::login_by_refresh(&tx, "one-refresh", after(1000)).await.unwrap(),
            Some(Refresh::Reused(row)) if row.id == login.id
        ));
        assert!(identity::login_by_token(&tx, "one-access", after(1)).await.unwrap().is_none());
        assert!(identity::login_by_token(&tx, "new-access", after(1000)).await.unwrap().is_some());

        identity::logins_seen(&tx, &[(login.id, after(1100)), (login.id, after(1050))]).await.unwrap();
        let list =
            identity::login_list(&tx, ada.id, Some(login.id), &PageRequest::default(), after(1200)).await.unwrap();
        assert_eq!((list.items.len(), list.items[0].current, list.items[0].last_used_at), (1, true, after(1100)));

        let bob = identity::user_insert(&tx, new_user(tenant, "bob"), t0()).await.unwrap();
        let foreign = identity::login_revoke(&tx, bob.id, login.id, after(1200)).await.unwrap_err();
        assert_eq!(foreign, StoreError::NotFound("login"));
        let second = identity::login_insert(&tx, new_login(&ada, "two", t0()), t0()).await.unwrap();
        assert_eq!(identity::logins_revoke(&tx, ada.id, Some(second.id), after(1200)).await.unwrap(), 1);
        assert!(identity::login_by_token(&tx, "new-access", after(1200)).await.unwrap().is_none());
        identity::login_revoke(&tx, ada.id, second.id, after(1200)).await.unwrap();
        assert_eq!(identity::logins_expire(&tx, after(1300)).await.unwrap(), 2);
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn only_active_people_of_running_tenants_get_in() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let tenant = common::tenant(&tx, "physics").await;
        let ada = identity::user_insert(&tx, new_user(tenant, "ada"), t0()).await.unwrap();
        identity::login_insert(&tx, new_login(&ada, "one", t0()), t0()).await.unwrap();
        let inside = async || identity::login_by_token(&tx, "one-access", after(60)).await.unwrap().is_some();
        let user = async |status| {
            let update = UserUpdate { status: Some(status), ..UserUpdate::default() };
            identity::user_update(&tx, Scope::Platform, ada.id, &update, None, None, after(2)).await.unwrap();
        };
        let tenant_status = async |status| {
            let update = TenantUpdate { status: Some(status), ..TenantUpdate::default() };
            identity::tenant_update(&tx, Scope::Platform, tenant, &update, None, after(2)).await.unwrap();
        };
        assert!(inside().await);
        user(UserStatus::Inactive).await;
        assert!(!inside().await);
        user(UserStatus::Active).await;
        tenant_status(TenantStatus::Suspended).await;
        assert!(!inside().await);
        tenant_status(TenantStatus::Inactive).await;
        assert!(inside().await);
        identity::lock_user(&tx, ada.id, Some(after(90)), after(3)).await.unwrap();
        assert!(!inside().await, "locked");
        identity::lock_user(&tx, ada.id, Some(after(60)), after(3)).await.unwrap();
        assert!(inside().await, "the lock is over");
        identity::lock_user(&tx, ada.id, None, after(3)).await.unwrap();
        assert!(!inside().await, "locked by an admin");
        let unlocked = identity::user_unlock(&tx, Scope::Platform, ada.id, after(4)).await.unwrap();
        assert_eq!(unlocked.status, UserStatus::Active);
        assert!(inside().await);
        identity::user_delete(&tx, Scope::Platform, ada.id, None, after(5)).await.unwrap();
        assert!(!inside().await);
    })
    .await;
}

#[tokio::test]
async fn wrong_passwords_are_counted_by_address_and_hour() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let tenant = common::tenant(&tx, "physics").await;
        let ada = identity::user_insert(&tx, new_user(tenant, "ada"), t0()).await.unwrap().id;
        let fail = async |ip: &str, at| identity::note_login_failure(&tx, ada, ip, at).await.unwrap();
        for _ in 0..4 {
            fail("192.0.2.1", t0()).await;
        }
        let fifth = fail("192.0.2.1", after(1)).await;
        assert_eq!((fifth.in_a_row, fifth.within_hour, fifth.bar_level), (5, 5, 0));
        let elsewhere = fail("192.0.2.2", after(2)).await;
        assert_eq!((elsewhere.in_a_row, elsewhere.within_hour), (1, 6));
        identity::bar_address(&tx, ada, "192.0.2.1", after(900), 1).await.unwrap();
        assert_eq!(identity::barred_until(&tx, ada, "192.0.2.1", after(10)).await.unwrap(), Some(after(900)));
        assert_eq!(identity::barred_until(&tx, ada, "192.0.2.1", after(900)).await.unwrap(), None);
        assert_eq!(identity::barred_until(&tx, ada, "192.0.2.2", after(10)).await.unwrap(), None);
        let next = fail("192.0.2.1", after(3601)).await;
        assert_eq!((next.in_a_row, next.within_hour, next.bar_level), (1, 2, 1), "an hour later");
        assert_eq!(identity::user_get(&tx, Scope::Platform, ada).await.unwrap().failed_login_attempts, 7);
        let user = identity::note_login(&tx, ada, "192.0.2.1", after(3700)).await.unwrap();
        assert_eq!((user.failed_login_attempts, user.last_login_at), (0, Some(after(3700))));
        let fresh = fail("192.0.2.1", after(3701)).await;
        assert_eq!((fresh.in_a_row, fresh.bar_level), (1, 0));
        assert_eq!(identity::login_attempts_expire(&tx, after(3701)).await.unwrap(), 1);
        assert_eq!(identity::login_attempts_expire(&tx, after(3702)).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn secrets_of_user_go_before_the_tenants() {
    on_both(|store, _| async move {
        let tx = store.begin().await.unwrap();
        let tenant = common::tenant(&tx, "physics").await;
        let ada = identity::user_insert(&tx, new_user(tenant, "ada"), t0()).await.unwrap().id;
        let bob = identity::user_insert(&tx, new_user(tenant, "bob"), t0()).await.unwrap().id;
        secrets::insert(&tx, SecretId::new(), tenant, None, "token", vec![1], t0()).await.unwrap();
        let own = secrets::insert(&tx, SecretId::new(), tenant, Some(ada), "token", vec![2], t0()).await.unwrap();
        assert_eq!(secrets::sealed(&tx, tenant, ada, "token").await.unwrap().1, [2]);
        assert_eq!(secrets::sealed(&tx, tenant, bob, "token").await.unwrap().1, [1]);
        assert_eq!(secrets::sealed(&tx, tenant, bob, "key").await.unwrap_err(), StoreError::NotFound("secret"));
        assert_eq!(secrets::list(&tx, tenant, ada, &PageRequest::default()).await.unwrap().items.len(), 2);
        assert_eq!(secrets::list(&tx, tenant, bob, &PageRequest::default()).await.unwrap().items.len(), 1);
        let foreign = secrets::delete(&tx, Scope::Own(tenant, bob), own.id).await.unwrap_err();
        assert_eq!(foreign, StoreError::NotFound("secret"));
        secrets::delete(&tx, Scope::Own(tenant, ada), own.id).await.unwrap();
        tx.commit().await.unwrap();
        for user in [None, Some(bob)] {
            let tx = store.begin().await.unwrap();
            if user.is_some() {
                secrets::insert(&tx, SecretId::new(), tenant, user, "token", vec![3], t0()).await.unwrap();
            }
            let error = secrets::insert(&tx, SecretId::new(), tenant, user, "token", vec![4], t0()).await.unwrap_err();
            assert_eq!(error, StoreError::AlreadyExists { what: "secret".into(), field: "name".into() });
        }
    })
    .await;
}
