//! What exists from the first start: the default tenant, the local data centre with its default pool and network, every
//! permission, and what each role may do with them. Safe to run at every start: what an admin changed stays.

use std::collections::HashSet;

use berth_types::{
    EdgeDataCenterId, PermissionId, ResourcePoolId, RolePermissionId, TenantId, Timestamp,
    identity::{PermissionAction, PermissionScope, QuotaConfig, ResourceType, Role, TenantCreate},
    sites::{
        EdgeDataCenterCreate, EdgeDataCenterStatus, NetworkType, ResourcePoolCreate, ResourcePoolStatus,
        ResourcePoolType, SchedulingPolicy,
    },
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    Result,
    entities::{edge_data_centers, permissions, resource_pools, role_permissions, tenants},
    identity, sites,
};

pub const DEFAULT_TENANT: &str = "default";
pub const LOCAL_DATA_CENTER: &str = "local";
pub const DEFAULT_POOL: &str = "default";

/// The things that new users and nodes join when nobody says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    pub tenant_id: TenantId,
    pub edge_data_center_id: EdgeDataCenterId,
    pub resource_pool_id: ResourcePoolId,
}

/// Makes what is missing. Should an admin have renamed the defaults, the oldest living ones take their place.
///
/// # Errors
/// `Unavailable`.
pub async fn run(db: &impl ConnectionTrait, now: Timestamp) -> Result<Defaults> {
    let tenant_id = tenant(db, now).await?;
    let (edge_data_center_id, resource_pool_id) = site(db, now).await?;
    sites::network_topology_ensure(db, sites::LOCAL_TOPOLOGY, NetworkType::Ethernet, now).await?;
    permissions(db, now).await?;
    Ok(Defaults { tenant_id, edge_data_center_id, resource_pool_id })
}

async fn tenant(db: &impl ConnectionTrait, now: Timestamp) -> Result<TenantId> {
    let living = tenants::Entity::find()
        .filter(tenants::Column::DeletedAt.is_null())
        .order_by_asc(tenants::Column::CreatedAt)
        .order_by_asc(tenants::Column::Id)
        .all(db)
        .await?;
    if let Some(tenant) = living.iter().find(|tenant| tenant.name == DEFAULT_TENANT).or(living.first()) {
        return Ok(tenant.id);
    }
    let create =
        TenantCreate { name: DEFAULT_TENANT.to_owned(), description: None, quota_config: QuotaConfig::default() };
    Ok(identity::tenant_insert(db, &create, None, now).await?.id)
}

async fn site(db: &impl ConnectionTrait, now: Timestamp) -> Result<(EdgeDataCenterId, ResourcePoolId)> {
    let centers = edge_data_centers::Entity::find()
        .filter(edge_data_centers::Column::DeletedAt.is_null())
        .filter(edge_data_centers::Column::Status.ne(EdgeDataCenterStatus::Offline))
        .order_by_asc(edge_data_centers::Column::Id)
        .all(db)
        .await?;
    let center = match centers.iter().find(|center| center.name == LOCAL_DATA_CENTER).or(centers.first()) {
        Some(center) => center.id,
        None => {
            let create = EdgeDataCenterCreate { name: LOCAL_DATA_CENTER.to_owned(), location: None };
            sites::edge_data_center_insert(db, &create, now).await?.id
        }
    };
    let pools = resource_pools::Entity::find()
        .filter(resource_pools::Column::DeletedAt.is_null())
        .filter(resource_pools::Column::EdgeDataCenterId.eq(center))
        .filter(resource_pools::Column::PoolType.eq(ResourcePoolType::Compute))
        .filter(resource_pools::Column::Status.ne(ResourcePoolStatus::Disabled))
        .order_by_asc(resource_pools::Column::Id)
        .all(db)
        .await?;
    let pool = match pools.iter().find(|pool| pool.name == DEFAULT_POOL).or(pools.first()) {
        Some(pool) => pool.id,
        None => {
            let create = ResourcePoolCreate {
                name: DEFAULT_POOL.to_owned(),
                description: None,
                edge_data_center_id: center,
                scheduling_policy: SchedulingPolicy::LoadBalance,
            };
            sites::resource_pool_insert(db, &create, now).await?.id
        }
    };
    Ok((center, pool))
}

use PermissionAction::{Create, Delete, Execute, Manage, Read, Update};

/// The actions that make sense for a resource.
pub fn actions(resource: ResourceType) -> &'static [PermissionAction] {
    match resource {
        ResourceType::Session | ResourceType::Instance => &[Create, Read, Update, Delete, Manage, Execute],
        ResourceType::AuditLog => &[Read],
        ResourceType::SystemEvent => &[Read, Update, Manage],
        ResourceType::Settings => &[Read, Update, Manage],
        _ => &[Create, Read, Update, Delete, Manage],
    }
}

/// How far a role reaches with a permission before anybody changed it; `None`: not at all.
pub fn default_scope(role: Role, resource: ResourceType, action: PermissionAction) -> Option<PermissionScope> {
    use PermissionScope::{Any, Own, Tenant};
    use ResourceType as R;
    match role {
        Role::Admin => Some(Any),
        // Infrastructure, and every workload on it, but not into it: terminals are their owners'.
        Role::Operator => match (resource, action) {
            (R::Server | R::EdgeDc | R::StoragePool | R::Network | R::Cluster | R::CloudBox | R::SystemEvent, _) => {
                Some(Any)
            }
            (R::Session | R::Instance, Read | Update | Manage) => Some(Any),
            (R::AuditLog | R::Settings | R::Template | R::Image | R::Storage | R::Place, Read) => Some(Any),
            _ => None,
        },
        // The tenant's people and work. Its quota is the platform's to set, so the tenant itself is only read.
        Role::TenantAdmin => match (resource, action) {
            (R::Session | R::Instance, Create | Execute) => Some(Own),
            (R::Tenant, Read) => Some(Tenant),
            (R::Tenant, _) => None,
            (
                R::User
                | R::UserGroup
                | R::Session
                | R::Instance
                | R::InstanceSet
                | R::Image
                | R::Template
                | R::Class
                | R::Place
                | R::Network
                | R::Storage
                | R::SystemEvent,
                _,
            ) => Some(Tenant),
            (R::AuditLog | R::CloudBox, Read) => Some(Tenant),
            (R::EdgeDc, Read) => Some(Any),
            _ => None,
        },
        Role::Teacher | Role::User => match (resource, action) {
            (R::Session | R::Instance, Create | Read | Update | Delete | Execute) => Some(Own),
            (R::Storage, Create | Read | Update | Delete) => Some(Own),
            (R::Class | R::InstanceSet, Create | Read | Update | Delete) if role == Role::Teacher => Some(Own),
            (R::Class | R::InstanceSet, Read) => Some(Own),
            (R::Image | R::Template, Read) => Some(Tenant),
            (R::EdgeDc, Read) => Some(Any),
            (R::SystemEvent | R::User, Read) => Some(Own),
            _ => None,
        },
        Role::Readonly => match (resource, action) {
            (R::AuditLog | R::Settings | R::Server | R::Cluster | R::StoragePool | R::CloudBox, _) => None,
            (R::EdgeDc, Read) => Some(Any),
            (_, Read) => Some(Tenant),
            _ => None,
        },
    }
}

/// Adds permissions that are missing, with the default grants of just these: grants of known ones may have been changed.
async fn permissions(db: &impl ConnectionTrait, now: Timestamp) -> Result<()> {
    let known: HashSet<String> =
        permissions::Entity::find().all(db).await?.into_iter().map(|row| row.permission_name).collect();
    let mut new = Vec::new();
    let mut granted = Vec::new();
    for &resource_type in ResourceType::ALL {
        for &action in actions(resource_type) {
            let permission_name = format!("{resource_type}.{action}");
            if known.contains(&permission_name) {
                continue;
            }
            let id = PermissionId::new();
            new.push(permissions::ActiveModel {
                id: Set(id),
                resource_type: Set(resource_type),
                action: Set(action),
                permission_name: Set(permission_name),
                description: Set(Some(description(resource_type, action))),
                created_at: Set(now),
            });
            for &role in Role::ALL {
                if let Some(scope) = default_scope(role, resource_type, action) {
                    granted.push(role_permissions::ActiveModel {
                        id: Set(RolePermissionId::new()),
                        role: Set(role),
                        permission_id: Set(id),
                        scope: Set(scope),
                    });
                }
            }
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    permissions::Entity::insert_many(new).exec_without_returning(db).await?;
    role_permissions::Entity::insert_many(granted).exec_without_returning(db).await?;
    Ok(())
}

fn description(resource: ResourceType, action: PermissionAction) -> String {
    let noun = match resource {
        ResourceType::Server => "nodes".to_owned(),
        ResourceType::EdgeDc => "edge data centers and resource pools".to_owned(),
        ResourceType::Template => "applications and templates".to_owned(),
        ResourceType::Settings => "settings".to_owned(),
        ResourceType::CloudBox => "cloud boxes".to_owned(),
        ResourceType::Class => "classes".to_owned(),
        other => format!("{}s", other.as_str().replace('_', " ")),
    };
    match action {
        Create => format!("Create {noun}"),
        Read => format!("See {noun}"),
        Update => format!("Change {noun}"),
        Delete => format!("Delete {noun}"),
        Manage => format!("Decide about {noun} beyond the ordinary: states, priorities above 8, privileges"),
        Execute => format!("Enter {noun}: terminals, consoles, commands, files, applications"),
    }
}
