//! The container network of each user on each node: a row holds its subnet, so that no two networks of an engine overlap.

use std::collections::HashSet;

use berth_types::{
    NodeId, Timestamp, UserId,
    sessions::{NetworkPolicyKind, SessionStatus},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect,
    sea_query::OnConflict,
};

use crate::{
    StoreError,
    entities::{sessions, user_networks},
};

/// A network that a user has on a node.
pub type UserNetwork = user_networks::Model;

/// The subnet of that user's network, taking the first free of `count` when there is none yet. `None`: all are taken.
pub async fn ensure(
    db: &impl ConnectionTrait,
    node: NodeId,
    user: UserId,
    kind: NetworkPolicyKind,
    count: u32,
    subnet: impl Fn(u32) -> Option<String>,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    loop {
        let own = user_networks::Entity::find()
            .filter(user_networks::Column::NodeId.eq(node))
            .filter(user_networks::Column::UserId.eq(user))
            .filter(user_networks::Column::Kind.eq(kind))
            .one(db)
            .await?;
        if let Some(own) = own {
            return Ok(Some(own.subnet));
        }
        let taken: HashSet<String> = user_networks::Entity::find()
            .select_only()
            .column(user_networks::Column::Subnet)
            .filter(user_networks::Column::NodeId.eq(node))
            .into_tuple::<String>()
            .all(db)
            .await?
            .into_iter()
            .collect();
        let Some(free) = (0..count).filter_map(&subnet).find(|candidate| !taken.contains(candidate)) else {
            return Ok(None);
        };
        let row = user_networks::ActiveModel {
            id: Set(uuid::Uuid::now_v7()),
            node_id: Set(node),
            user_id: Set(user),
            kind: Set(kind),
            subnet: Set(free.clone()),
            created_at: Set(now),
        };
        // Another start may take the subnet, or make this very network, at the same moment: then look again.
        let unless_taken = OnConflict::new().do_nothing().to_owned();
        let inserted = user_networks::Entity::insert(row).on_conflict(unless_taken).exec_without_returning(db).await?;
        if inserted == 1 {
            return Ok(Some(free));
        }
    }
}

/// Networks of a node whose user has no session there any more.
pub async fn unused(db: &impl ConnectionTrait, node: NodeId) -> Result<Vec<UserNetwork>, StoreError> {
    let mut unused = Vec::new();
    for network in user_networks::Entity::find().filter(user_networks::Column::NodeId.eq(node)).all(db).await? {
        let users = sessions::Entity::find()
            .filter(sessions::Column::ScheduledNodeId.eq(node))
            .filter(sessions::Column::UserId.eq(network.user_id))
            .filter(sessions::Column::NetworkPolicy.eq(network.kind))
            .filter(sessions::Column::Status.is_in(SessionStatus::ALLOCATED.iter().copied()))
            .count(db)
            .await?;
        if users == 0 {
            unused.push(network);
        }
    }
    Ok(unused)
}

/// Gives a subnet back; its network must be gone from the engine.
pub async fn delete(db: &impl ConnectionTrait, id: uuid::Uuid) -> Result<(), StoreError> {
    user_networks::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}
