//! Routes of data centres, resource pools, nodes and networks between nodes.

use std::sync::Arc;

use berth_store::{self as store, page::PageRequest};
use berth_types::{
    EdgeDataCenterId, NodeId, ResourcePoolId,
    metrics::{MetricFilter, MetricPoint},
    operations::Operation,
    page::Page,
    sites::{
        EdgeDataCenter, EdgeDataCenterCreate, EdgeDataCenterUpdate, NetworkTopology, Node, NodeDetail, NodeDrain,
        NodeFilter, NodeUpdate, ResourcePool, ResourcePoolCreate, ResourcePoolUpdate,
    },
};
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    PageQuery,
    call::{Call, begin, ok, ok_tagged},
    extract::{Body, Path, Query},
    frame::Reply,
};
use crate::app::{self, App, AppError};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(edge_data_center_list, edge_data_center_create))
        .routes(routes!(edge_data_center_get, edge_data_center_update, edge_data_center_delete))
        .routes(routes!(resource_pool_list, resource_pool_create))
        .routes(routes!(resource_pool_get, resource_pool_update, resource_pool_delete))
        .routes(routes!(node_list))
        .routes(routes!(node_get, node_update, node_delete))
        .routes(routes!(node_drain))
        .routes(routes!(node_activate))
        .routes(routes!(node_maintenance))
        .routes(routes!(node_decommission))
        .routes(routes!(node_metrics))
        .routes(routes!(network_topology_list))
}

/// Data centres in the order of their creation.
#[utoipa::path(get, path = "/edge-data-centers", operation_id = "edge_data_center_list", tag = "sites", params(PageQuery),
    responses((status = 200, body = Page<EdgeDataCenter>)))]
async fn edge_data_center_list(call: Call, Query(query): Query<PageQuery>) -> Reply {
    super::check_limit(query.limit)?;
    let request = PageRequest::new(query.limit, query.cursor);
    ok(&store::sites::edge_data_center_list(call.db(), &request).await.map_err(AppError::from)?)
}

/// Makes a data centre.
#[utoipa::path(post, path = "/edge-data-centers", operation_id = "edge_data_center_create", tag = "sites",
    request_body = EdgeDataCenterCreate, responses((status = 201, body = EdgeDataCenter)))]
async fn edge_data_center_create(call: Call, Body(request): Body<EdgeDataCenterCreate>) -> Reply {
    let mut write = begin!(call);
    let center = app::sites::edge_data_center_create(&mut write, request).await?;
    write.answer_tagged(StatusCode::CREATED, center.generation, &center).await
}

/// One data centre, with the sums of its nodes.
#[utoipa::path(get, path = "/edge-data-centers/{id}", operation_id = "edge_data_center_get", tag = "sites",
    params(("id" = EdgeDataCenterId, Path)), responses((status = 200, body = EdgeDataCenter)))]
async fn edge_data_center_get(call: Call, Path(id): Path<EdgeDataCenterId>) -> Reply {
    let center = store::sites::edge_data_center_get(call.db(), id).await.map_err(AppError::from)?;
    ok_tagged(center.generation, &center)
}

/// Changes a data centre. Only an active one takes new work.
#[utoipa::path(patch, path = "/edge-data-centers/{id}", operation_id = "edge_data_center_update", tag = "sites",
    params(("id" = EdgeDataCenterId, Path)), request_body = EdgeDataCenterUpdate, responses((status = 200, body = EdgeDataCenter)))]
async fn edge_data_center_update(
    call: Call,
    Path(id): Path<EdgeDataCenterId>,
    Body(request): Body<EdgeDataCenterUpdate>,
) -> Reply {
    let mut write = begin!(call);
    let center = app::sites::edge_data_center_update(&mut write, id, request).await?;
    write.answer_tagged(StatusCode::OK, center.generation, &center).await
}

/// Deletes a data centre without pools.
#[utoipa::path(delete, path = "/edge-data-centers/{id}", operation_id = "edge_data_center_delete", tag = "sites",
    params(("id" = EdgeDataCenterId, Path)), responses((status = 204)))]
async fn edge_data_center_delete(call: Call, Path(id): Path<EdgeDataCenterId>) -> Reply {
    let mut write = begin!(call);
    app::sites::edge_data_center_delete(&mut write, id).await?;
    write.answer_empty().await
}

/// Resource pools in the order of their creation.
#[utoipa::path(get, path = "/resource-pools", operation_id = "resource_pool_list", tag = "sites", params(PageQuery),
    responses((status = 200, body = Page<ResourcePool>)))]
async fn resource_pool_list(call: Call, Query(query): Query<PageQuery>) -> Reply {
    super::check_limit(query.limit)?;
    let request = PageRequest::new(query.limit, query.cursor);
    ok(&store::sites::resource_pool_list(call.db(), &request).await.map_err(AppError::from)?)
}

/// Makes a resource pool.
#[utoipa::path(post, path = "/resource-pools", operation_id = "resource_pool_create", tag = "sites",
    request_body = ResourcePoolCreate, responses((status = 201, body = ResourcePool)))]
async fn resource_pool_create(call: Call, Body(request): Body<ResourcePoolCreate>) -> Reply {
    let mut write = begin!(call);
    let pool = app::sites::resource_pool_create(&mut write, request).await?;
    write.answer_tagged(StatusCode::CREATED, pool.generation, &pool).await
}

/// One resource pool, with the sums of its nodes.
#[utoipa::path(get, path = "/resource-pools/{id}", operation_id = "resource_pool_get", tag = "sites",
    params(("id" = ResourcePoolId, Path)), responses((status = 200, body = ResourcePool)))]
async fn resource_pool_get(call: Call, Path(id): Path<ResourcePoolId>) -> Reply {
    let pool = store::sites::resource_pool_get(call.db(), id).await.map_err(AppError::from)?;
    ok_tagged(pool.generation, &pool)
}

/// Changes a resource pool. Only an active one takes new work.
#[utoipa::path(patch, path = "/resource-pools/{id}", operation_id = "resource_pool_update", tag = "sites",
    params(("id" = ResourcePoolId, Path)), request_body = ResourcePoolUpdate, responses((status = 200, body = ResourcePool)))]
async fn resource_pool_update(
    call: Call,
    Path(id): Path<ResourcePoolId>,
    Body(request): Body<ResourcePoolUpdate>,
) -> Reply {
    let mut write = begin!(call);
    let pool = app::sites::resource_pool_update(&mut write, id, request).await?;
    write.answer_tagged(StatusCode::OK, pool.generation, &pool).await
}

/// Deletes a resource pool without nodes.
#[utoipa::path(delete, path = "/resource-pools/{id}", operation_id = "resource_pool_delete", tag = "sites",
    params(("id" = ResourcePoolId, Path)), responses((status = 204)))]
async fn resource_pool_delete(call: Call, Path(id): Path<ResourcePoolId>) -> Reply {
    let mut write = begin!(call);
    app::sites::resource_pool_delete(&mut write, id).await?;
    write.answer_empty().await
}

/// Nodes in the order of their registration.
#[utoipa::path(get, path = "/nodes", operation_id = "node_list", tag = "nodes", params(NodeFilter),
    responses((status = 200, body = Page<Node>)))]
async fn node_list(call: Call, Query(filter): Query<NodeFilter>) -> Reply {
    super::check_limit(filter.limit)?;
    super::check_text("search", filter.search.as_deref())?;
    ok(&store::sites::node_list(call.db(), &filter).await.map_err(AppError::from)?)
}

/// One node, with everything it is made of.
#[utoipa::path(get, path = "/nodes/{id}", operation_id = "node_get", tag = "nodes", params(("id" = NodeId, Path)),
    responses((status = 200, body = NodeDetail)))]
async fn node_get(call: Call, Path(id): Path<NodeId>) -> Reply {
    let node = store::sites::node_detail(call.db(), id).await.map_err(AppError::from)?;
    ok_tagged(node.node.generation, &node)
}

/// Changes what people decide about a node. Only an empty one may move to another pool or change its rental mode.
#[utoipa::path(patch, path = "/nodes/{id}", operation_id = "node_update", tag = "nodes", params(("id" = NodeId, Path)),
    request_body = NodeUpdate, responses((status = 200, body = NodeDetail)))]
async fn node_update(call: Call, Path(id): Path<NodeId>, Body(request): Body<NodeUpdate>) -> Reply {
    let mut write = begin!(call);
    let node = app::sites::node_update(&mut write, id, request).await?;
    write.answer_tagged(StatusCode::OK, node.node.generation, &node).await
}

/// Deletes a decommissioned node. What ran on it stays on record.
#[utoipa::path(delete, path = "/nodes/{id}", operation_id = "node_delete", tag = "nodes", params(("id" = NodeId, Path)),
    responses((status = 204)))]
async fn node_delete(call: Call, Path(id): Path<NodeId>) -> Reply {
    let mut write = begin!(call);
    app::sites::node_delete(&mut write, id).await?;
    let response = write.answer_empty().await?;
    app::sites::forget_node(&call.app, id);
    Ok(response)
}

/// Empties a node: it takes nothing new, and what still runs at the deadline is stopped.
#[utoipa::path(post, path = "/nodes/{id}/drain", operation_id = "node_drain", tag = "nodes", params(("id" = NodeId, Path)),
    request_body = NodeDrain, responses((status = 202, body = Operation)))]
async fn node_drain(call: Call, Path(id): Path<NodeId>, Body(request): Body<NodeDrain>) -> Reply {
    let mut write = begin!(call);
    let operation = app::sites::node_drain(&mut write, id, request).await?;
    write.answer(StatusCode::ACCEPTED, &operation).await
}

/// Lets a node take work again.
#[utoipa::path(post, path = "/nodes/{id}/activate", operation_id = "node_activate", tag = "nodes", params(("id" = NodeId, Path)),
    responses((status = 200, body = NodeDetail)))]
async fn node_activate(call: Call, Path(id): Path<NodeId>) -> Reply {
    let mut write = begin!(call);
    let node = app::sites::node_activate(&mut write, id).await?;
    write.answer_tagged(StatusCode::OK, node.node.generation, &node).await
}

/// Lets a node take nothing new; what runs stays.
#[utoipa::path(post, path = "/nodes/{id}/maintenance", operation_id = "node_maintenance", tag = "nodes",
    params(("id" = NodeId, Path)), responses((status = 200, body = NodeDetail)))]
async fn node_maintenance(call: Call, Path(id): Path<NodeId>) -> Reply {
    let mut write = begin!(call);
    let node = app::sites::node_maintenance(&mut write, id).await?;
    write.answer_tagged(StatusCode::OK, node.node.generation, &node).await
}

/// Puts an empty node on its way out.
#[utoipa::path(post, path = "/nodes/{id}/decommission", operation_id = "node_decommission", tag = "nodes",
    params(("id" = NodeId, Path)), responses((status = 200, body = NodeDetail)))]
async fn node_decommission(call: Call, Path(id): Path<NodeId>) -> Reply {
    let mut write = begin!(call);
    let node = app::sites::node_decommission(&mut write, id).await?;
    write.answer_tagged(StatusCode::OK, node.node.generation, &node).await
}

/// Measurements of a node.
#[utoipa::path(get, path = "/nodes/{id}/metrics", operation_id = "node_metrics", tag = "nodes",
    params(("id" = NodeId, Path), MetricFilter), responses((status = 200, body = Vec<MetricPoint>)))]
async fn node_metrics(call: Call, Path(id): Path<NodeId>, Query(filter): Query<MetricFilter>) -> Reply {
    ok(&app::metrics::of_node(&call, id, &filter).await?)
}

/// Networks that join nodes.
#[utoipa::path(get, path = "/network-topologies", operation_id = "network_topology_list", tag = "sites", params(PageQuery),
    responses((status = 200, body = Page<NetworkTopology>)))]
async fn network_topology_list(call: Call, Query(query): Query<PageQuery>) -> Reply {
    super::check_limit(query.limit)?;
    let request = PageRequest::new(query.limit, query.cursor);
    ok(&store::sites::network_topology_list(call.db(), &request).await.map_err(AppError::from)?)
}
