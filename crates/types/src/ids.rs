//! Typed ids: a session's id cannot be passed where a node's is meant.

id! {
    AllocationId, ApplicationId, AuditLogId, EdgeDataCenterId, GpuDeviceId, NetworkTopologyId,
    /// A person's login, API token or CLI login (`user_sessions`).
    UserSessionId,
    NodeId, NodeNetworkInterfaceId, NodeResourceId, OperationId, PermissionId, ResourcePoolId, RolePermissionId, SecretId,
    SessionId, SystemEventId, TenantId, UsageRecordId, UserGroupId, UserId,
}
