//! Rules of sessions: who may launch what, what a stop means, how a session ends.

use std::collections::BTreeMap;

use super::{After, App, AppResult, identity};
use crate::{
    api::call::{Call, Write},
    engine, ops,
};
use berth_drivers::container::ContainerState;
use berth_store::{
    self as store, Json, Set, Tx,
    operations::NewOperation,
    sessions::{NewSession, SessionRecord, Wish},
};
use berth_types::{
    Error, ErrorCode, SessionId, Timestamp, UserId,
    events::EventSeverity,
    identity::{PermissionAction, QuotaConfig, ResourceType, Scope, Tenant, TenantStatus, User},
    operations::{OperationKind, SubjectType},
    quantities::{cores_to_millicores, gb_to_mib, gpus_to_milli, mib_to_gb, milli_to_gpus, millicores_to_cores},
    sessions::{
        EnvironmentValue, MAX_RUNTIME_MINUTES, NetworkPolicyKind, QuotaCheck, QuotaOwner, ResourceHours, Session,
        SessionCheck, SessionDesiredState, SessionLaunch, SessionReason, SessionStatus,
    },
    settings,
    sites::ResourceKind,
};

/// A launch with everything filled in that the request left to the application.
struct Resolved {
    session: NewSession,
    amounts: Amounts,
}

#[derive(Clone, Copy)]
struct Amounts {
    cpu_millicores: i64,
    memory_mib: i64,
    storage_mib: i64,
    gpu_milli: i64,
}

/// `POST /sessions`: writes a session down as pending. The scheduler does the rest.
///
/// # Errors
/// `invalid_value`, `not_found` for the application, `forbidden` for what needs more rights, `quota_exceeded` for what
/// could never fit.
pub async fn launch(write: &mut Write<'_>, request: SessionLaunch) -> AppResult<Session> {
    let call = write.call;
    let resolved = resolve(call, &write.tx, request).await?;
    let tenant = store::identity::tenant_get(&write.tx, Scope::Platform, call.caller.tenant).await?;
    if tenant.status != TenantStatus::Active {
        return Err(Error::conflict(format!("Your tenant is {}: nothing new can be launched.", tenant.status)).into());
    }
    let user = store::identity::user_get(&write.tx, Scope::Platform, call.caller.user).await?;
    could_ever_fit("your", &user.quota_config, user.quota_storage_gb, resolved.amounts)?;
    could_ever_fit("your tenant's", &tenant.quota_config, None, resolved.amounts)?;
    let waiting = store::sessions::count_waiting(&write.tx, call.caller.user).await?;
    let most = most_waiting(call, &user.quota_config);
    if i64::try_from(waiting).unwrap_or(i64::MAX) >= most {
        let text = format!(
            "{waiting} of your sessions wait already, and at most {most} may. Stop one, or wait until one runs."
        );
        return Err(Error::new(ErrorCode::QuotaExceeded, text).into());
    }
    let record = store::sessions::insert(&write.tx, resolved.session).await?;
    write.subject(record.id);
    write.detail("application", &record.application);
    write.detail("session_name", &record.session_name);
    engine::session_event(
        &write.tx,
        &record,
        "session_launched",
        format!("{} was launched", record.session_name),
        call.now,
    )
    .await?;
    write.after.scheduler = true;
    write.after.session(record.id, record.tenant_id, record.user_id, record.status);
    Ok(store::sessions::present_one(record, call.caller.username.clone()))
}

/// `POST /sessions/check`: what the launch would meet now.
///
/// # Errors
/// As [`launch`], but for quotas, which are part of the answer.
pub async fn check(call: &Call, request: SessionLaunch) -> AppResult<SessionCheck> {
    let resolved = resolve(call, call.db(), request).await?;
    let tenant = store::identity::tenant_get(call.db(), Scope::Platform, call.caller.tenant).await?;
    let user = store::identity::user_get(call.db(), Scope::Platform, call.caller.user).await?;
    let never = could_ever_fit("your", &user.quota_config, user.quota_storage_gb, resolved.amounts)
        .and_then(|()| could_ever_fit("your tenant's", &tenant.quota_config, None, resolved.amounts));
    let amounts = resolved.amounts;
    let quota = quota_checks(call, &user, &tenant, amounts).await?;
    let draft = store::sessions::draft(resolved.session)?;
    let hours = hours(amounts, draft.max_runtime_minutes);
    let found = match never {
        Err(error) => SessionCheck { exceeds_quota: true, explanation: error.0.public, ..SessionCheck::default() },
        Ok(()) => crate::tasks::scheduler::check(&call.app, draft).await?,
    };
    Ok(SessionCheck { quota, hours, ..found })
}

/// Each limit with what is used of it and what the launch would add.
async fn quota_checks(call: &Call, user: &User, tenant: &Tenant, amounts: Amounts) -> AppResult<Vec<QuotaCheck>> {
    let record = store::identity::user_record(call.db(), Scope::Platform, user.id).await?;
    let report = identity::quota_report(call, &record, tenant).await?;
    let waiting = store::sessions::count_waiting(call.db(), user.id).await?;
    let most = most_waiting(call, &user.quota_config);
    let mut checks = vec![QuotaCheck {
        scope: QuotaOwner::User,
        resource: "waiting_sessions".to_owned(),
        unit: "sessions".to_owned(),
        used: waiting as f64,
        requested: 1.0,
        limit: Some(most as f64),
    }];
    for (scope, usages) in [(QuotaOwner::User, report.user), (QuotaOwner::Tenant, report.tenant)] {
        for usage in usages {
            let (unit, requested) = match usage.resource.as_str() {
                "cpu" => ("cores", millicores_to_cores(amounts.cpu_millicores)),
                "memory_gb" => ("GB", mib_to_gb(amounts.memory_mib)),
                "gpu" => ("GPUs", milli_to_gpus(amounts.gpu_milli)),
                "storage_gb" => ("GB", mib_to_gb(amounts.storage_mib)),
                _ => ("sessions", 1.0),
            };
            checks.push(QuotaCheck {
                scope,
                resource: usage.resource,
                unit: unit.to_owned(),
                used: usage.used,
                requested,
                limit: usage.limit,
            });
        }
    }
    Ok(checks)
}

/// How many of a user's sessions may wait at a time.
fn most_waiting(call: &Call, quota: &QuotaConfig) -> i64 {
    quota.waiting_sessions.unwrap_or_else(|| call.app.setting(&settings::MAX_WAITING_PER_USER))
}

/// What is held for so long.
fn hours(amounts: Amounts, minutes: i64) -> Vec<ResourceHours> {
    let hours = minutes as f64 / 60.0;
    [
        (ResourceKind::Cpu, "core-hours", millicores_to_cores(amounts.cpu_millicores)),
        (ResourceKind::Memory, "GB-hours", mib_to_gb(amounts.memory_mib)),
        (ResourceKind::Storage, "GB-hours", mib_to_gb(amounts.storage_mib)),
        (ResourceKind::Gpu, "GPU-hours", milli_to_gpus(amounts.gpu_milli)),
    ]
    .into_iter()
    .filter(|(.., amount)| *amount > 0.0)
    .map(|(resource_type, unit, amount)| ResourceHours { resource_type, unit: unit.to_owned(), amount: amount * hours })
    .collect()
}

async fn resolve(call: &Call, db: &impl store::Connection, request: SessionLaunch) -> AppResult<Resolved> {
    request.validate()?;
    let application = match store::applications::by_name(db, call.caller.tenant, &request.application).await {
        Ok(application) => application,
        Err(store::StoreError::NotFound(_)) => {
            let text =
                format!("there is no application {:?}; `berth application list` shows them", request.application);
            return Err(Error::invalid("application", text).into());
        }
        Err(error) => return Err(error.into()),
    };
    if !application.enabled {
        return Err(Error::invalid("application", format!("{} is switched off", application.name)).into());
    }
    let manages = call.reach(ResourceType::Session, PermissionAction::Manage);
    let priority = request.priority.unwrap_or(5);
    if priority > 8 && manages.is_none() {
        return Err(Error::forbidden("A priority above 8 needs the permission session.manage.").into());
    }
    // Root on a node is root over every tenant's sessions there, so one tenant's administrator cannot grant it.
    if request.privileged && manages != Some(Scope::Platform) {
        return Err(Error::forbidden(
            "A privileged session needs the permission session.manage for the whole installation.",
        )
        .into());
    }
    for (name, value) in &request.environment_variables {
        if let EnvironmentValue::Secret(reference) = value
            && !secret_exists(db, call, &reference.secret).await?
        {
            let field = format!("environment_variables.{name}.secret");
            return Err(Error::invalid(
                field,
                format!("there is no secret {:?}; make it with `berth secret create`", reference.secret),
            )
            .into());
        }
    }
    if let Some(pool) = request.resource_pool_id {
        let pool = store::sites::resource_pool_get(db, pool).await;
        if pool.is_err() {
            return Err(Error::invalid("resource_pool_id", "there is no such resource pool").into());
        }
    }
    let cpu = request.cpu_request.unwrap_or(application.default_cpu);
    let memory = request.memory_request_gb.unwrap_or(application.default_memory_gb);
    let amount = |field: &str, value: Option<i64>| value.ok_or_else(|| Error::invalid(field, "is out of range"));
    let cpu_millicores = amount("cpu_request", cores_to_millicores(cpu))?;
    let memory_mib = amount("memory_request_gb", gb_to_mib(memory))?;
    let cpu_limit = amount("cpu_limit", cores_to_millicores(request.cpu_limit.unwrap_or(cpu)))?;
    let memory_limit = amount("memory_limit_gb", gb_to_mib(request.memory_limit_gb.unwrap_or(memory)))?;
    if cpu_limit < cpu_millicores {
        return Err(Error::invalid("cpu_limit", format!("must not be below the request of {cpu} cores")).into());
    }
    if memory_limit < memory_mib {
        return Err(Error::invalid("memory_limit_gb", format!("must not be below the request of {memory} GB")).into());
    }
    let storage_mib =
        amount("storage_request_gb", gb_to_mib(request.storage_request_gb.unwrap_or(application.default_storage_gb)))?;
    let whole = request.gpu_request.unwrap_or(if request.resource_constraints.gpu_share.is_some() {
        0
    } else {
        application.default_gpu
    });
    let gpu_milli = match request.resource_constraints.gpu_share {
        Some(share) => share,
        None => amount("gpu_request", gpus_to_milli(whole as f64))?,
    };
    let mut environment: BTreeMap<String, EnvironmentValue> = application
        .environment_variables
        .iter()
        .map(|(k, v)| (k.clone(), EnvironmentValue::Value(v.clone())))
        .collect();
    environment.extend(request.environment_variables);
    let id = SessionId::new();
    let now = call.now;
    let session_name = request.session_name.unwrap_or_else(|| {
        // The tail of a UUIDv7 is random; the head is the time and would look alike.
        let text = id.0.simple().to_string();
        format!("{}-{}", application.name, &text[text.len() - 6..])
    });
    if store::sessions::name_taken(db, call.caller.tenant, call.caller.user, &session_name).await? {
        return Err(Error {
            fields: vec![berth_types::FieldError {
                field: "session_name".to_owned(),
                message: "a session of yours that has not ended has this name; choose another one".to_owned(),
            }],
            ..Error::new(ErrorCode::AlreadyExists, format!("You have a session named {session_name:?} already."))
        }
        .into());
    }
    let session = NewSession {
        id: Set(id),
        tenant_id: Set(call.caller.tenant),
        user_id: Set(call.caller.user),
        account_group_id: Set(None),
        session_name: Set(session_name),
        session_type: Set(request.session_type.unwrap_or(application.session_type)),
        application: Set(application.name.clone()),
        application_id: Set(Some(application.id)),
        application_protocol: Set(application.protocol),
        application_port: Set(application.port),
        container_image: Set(application.container_image.clone()),
        container_id: Set(None),
        command: Set(Json(request.command.unwrap_or_else(|| application.command.clone()))),
        shell: Set(Json(application.shell.clone())),
        status: Set(SessionStatus::Pending),
        desired_state: Set(SessionDesiredState::Running),
        generation: Set(1),
        observed_generation: Set(0),
        attempt: Set(1),
        reason: Set(None),
        message: Set(None),
        exit_code: Set(None),
        deadline_at: Set(None),
        priority: Set(priority),
        preemptible: Set(request.preemptible),
        privileged: Set(request.privileged),
        max_runtime_minutes: Set(request.max_runtime_minutes.unwrap_or(application.default_max_runtime_minutes)),
        ends_at: Set(None),
        stop_grace_seconds: Set(None),
        cpu_request_millicores: Set(cpu_millicores),
        cpu_limit_millicores: Set(cpu_limit),
        memory_request_mib: Set(memory_mib),
        memory_limit_mib: Set(memory_limit),
        gpu_request_milli: Set(gpu_milli),
        gpu_type: Set(request.gpu_type),
        storage_request_mib: Set(storage_mib),
        storage_used_mib: Set(None),
        network_policy: Set(request.network_policy.unwrap_or(application.default_network_policy)),
        network_subnet: Set(None),
        environment_variables: Set(Json(environment)),
        resource_constraints: Set(Json(request.resource_constraints)),
        placement_preferences: Set(Json(request.placement_preferences)),
        resource_pool_id: Set(request.resource_pool_id),
        scheduled_node_id: Set(None),
        placement: Set(None),
        waiting_position: Set(None),
        waiting: Set(None),
        queued_at: Set(now),
        start_time: Set(None),
        end_time: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let amounts = Amounts { cpu_millicores, memory_mib, storage_mib, gpu_milli };
    Ok(Resolved { session, amounts })
}

async fn secret_exists(db: &impl store::Connection, call: &Call, name: &str) -> AppResult<bool> {
    match store::secrets::sealed(db, call.caller.tenant, call.caller.user, name).await {
        Ok(_) => Ok(true),
        Err(store::StoreError::NotFound(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Refuses what would exceed a quota even with nothing else running.
fn could_ever_fit(whose: &str, quota: &QuotaConfig, storage_gb: Option<f64>, amounts: Amounts) -> AppResult<()> {
    let storage = match (quota.storage_gb, storage_gb) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let limits = [
        ("sessions", quota.sessions, 1, ""),
        ("cpu", quota.cpu.and_then(cores_to_millicores), amounts.cpu_millicores, "millicores"),
        ("memory", quota.memory_gb.and_then(gb_to_mib), amounts.memory_mib, "MiB"),
        ("storage", storage.and_then(gb_to_mib), amounts.storage_mib, "MiB"),
        ("gpu", quota.gpu.and_then(gpus_to_milli), amounts.gpu_milli, "milli-GPU"),
    ];
    for (name, limit, wanted, unit) in limits {
        if let Some(limit) = limit
            && wanted > limit
        {
            let text = format!(
                "This asks for {wanted} {unit} of {name}, but {whose} quota is {limit}: it could never run. Ask for less, or ask your administrator for more."
            );
            return Err(Error::new(ErrorCode::QuotaExceeded, text.replace("  ", " ")).into());
        }
    }
    Ok(())
}

/// `POST /sessions/{id}/stop`. A waiting session ends at once; a placed one is stopped by an operation.
///
/// # Errors
/// `not_found`, `state_conflict` when it has ended, `invalid_value`.
pub async fn stop(write: &mut Write<'_>, id: SessionId, grace_seconds: Option<i64>) -> AppResult<SessionRecord> {
    let call = write.call;
    if grace_seconds.is_some_and(|seconds| !(0..=600).contains(&seconds)) {
        return Err(Error::invalid("grace_seconds", "must be from 0 to 600").into());
    }
    let session = store::sessions::record_in(&write.tx, call.scope, id).await?;
    if session.status.is_terminal() {
        return Err(Error::conflict(format!("This session has ended already: it is {}.", session.status)).into());
    }
    write.subject(id);
    write.detail("session_name", &session.session_name);
    let (reason, text) = if session.user_id == call.caller.user {
        (SessionReason::StoppedByUser, "Stopped by its owner.".to_owned())
    } else {
        (SessionReason::StoppedByAdmin, format!("Stopped by {}.", call.caller.username))
    };
    begin_stop(&write.tx, &call.app, &session, reason, &text, grace_seconds, &mut write.after, call.now).await?;
    Ok(session)
}

/// Puts a session on its way to its end, whoever wants it. Nothing happens when it is on its way already.
#[expect(clippy::too_many_arguments, reason = "the one way to end a session")]
pub async fn begin_stop(
    tx: &Tx,
    app: &App,
    session: &SessionRecord,
    reason: SessionReason,
    message: &str,
    grace_seconds: Option<i64>,
    after: &mut After,
    now: Timestamp,
) -> AppResult<()> {
    let grace = grace_seconds.unwrap_or_else(|| app.setting(&settings::STOP_GRACE_SECONDS));
    let wish = Wish {
        desired: SessionDesiredState::Stopped,
        reason: Some(reason),
        message: Some(message.to_owned()),
        grace_seconds: Some(grace),
    };
    let Some(generation) = store::sessions::wish(tx, session.id, wish, now).await? else { return Ok(()) };
    // The row as it is now, under this transaction: what the caller read may be older.
    let session = store::sessions::record(tx, session.id).await?;
    if session.status == SessionStatus::Pending {
        finish(tx, app, &session, after, now).await?;
        return Ok(());
    }
    store::sessions::enter(tx, session.id, SessionStatus::Stopping, None, now).await?;
    after.session(session.id, session.tenant_id, session.user_id, SessionStatus::Stopping);
    enqueue(tx, app, &session, OperationKind::SessionStop, generation, None, after, now).await
}

/// An operation on a session; the open one, if there is one, is superseded and interrupted.
#[expect(clippy::too_many_arguments, reason = "what an operation is made of")]
pub async fn enqueue(
    tx: &Tx,
    app: &App,
    session: &SessionRecord,
    kind: OperationKind,
    generation: i64,
    requested_by: Option<UserId>,
    after: &mut After,
    now: Timestamp,
) -> AppResult<()> {
    let open = store::operations::open_of(tx, session.id.0).await?;
    after.interrupt.extend(open.map(|operation| operation.id));
    let new = NewOperation {
        kind,
        subject_type: SubjectType::Session,
        subject_id: session.id.0,
        tenant_id: Some(session.tenant_id),
        requested_by,
        steps: ops::steps(kind).iter().map(|step| (*step).to_owned()).collect(),
        generation,
        deadline_at: now + chrono::Duration::minutes(ops::deadline_minutes(app, kind)),
        claimed_by: None,
    };
    store::operations::enqueue(tx, new, now).await?;
    after.operations = true;
    Ok(())
}

/// `POST /sessions/{id}/pause` and `/resume`.
///
/// # Errors
/// `not_found`, `state_conflict`.
pub async fn set_paused(write: &mut Write<'_>, id: SessionId, paused: bool) -> AppResult<SessionRecord> {
    let call = write.call;
    let session = store::sessions::record_in(&write.tx, call.scope, id).await?;
    let (from, desired, kind, verb) = if paused {
        (SessionStatus::Running, SessionDesiredState::Paused, OperationKind::SessionPause, "paused")
    } else {
        (SessionStatus::Paused, SessionDesiredState::Running, OperationKind::SessionResume, "resumed")
    };
    if session.status != from || session.desired_state == SessionDesiredState::Stopped {
        return Err(
            Error::conflict(format!("Only a {from} session can be {verb}; this one is {}.", session.status)).into()
        );
    }
    write.subject(id);
    let wish = Wish { desired, reason: None, message: None, grace_seconds: None };
    let generation = store::sessions::wish(&write.tx, id, wish, call.now).await?;
    let generation = generation.ok_or_else(|| Error::conflict("It is being stopped."))?;
    let requested_by = Some(call.caller.user);
    enqueue(&write.tx, &call.app, &session, kind, generation, requested_by, &mut write.after, call.now).await?;
    Ok(session)
}

/// `POST /sessions/{id}/extend`
///
/// # Errors
/// `not_found`, `state_conflict`, `invalid_value`.
pub async fn extend(write: &mut Write<'_>, id: SessionId, minutes: i64) -> AppResult<Session> {
    let call = write.call;
    let session = store::sessions::record_in(&write.tx, call.scope, id).await?;
    if session.status.is_terminal() || session.desired_state == SessionDesiredState::Stopped {
        return Err(Error::conflict("It has ended or is being stopped: its time cannot be extended.").into());
    }
    let most = MAX_RUNTIME_MINUTES - session.max_runtime_minutes;
    if !(1..=most).contains(&minutes) {
        return Err(Error::invalid("minutes", format!("must be from 1 to {most}")).into());
    }
    store::sessions::extend(&write.tx, id, minutes, call.now).await?;
    write.subject(id);
    write.detail("minutes", minutes);
    write.after.session(id, session.tenant_id, session.user_id, session.status);
    Ok(store::sessions::get(&write.tx, call.scope, id).await?)
}

/// The container ended by itself: why, and on to its removal.
pub async fn conclude_exit(
    tx: &Tx,
    app: &App,
    session: &SessionRecord,
    state: &ContainerState,
    after: &mut After,
    now: Timestamp,
) -> AppResult<()> {
    store::sessions::note_exit(tx, session.id, state.exit_code, state.finished_at, now).await?;
    let (reason, message) = match (state.oom_killed, state.exit_code) {
        (true, _) => (
            SessionReason::Oom,
            format!(
                "It needed more than its {} MiB of memory and was killed. Launch it with a higher memory limit.",
                session.memory_limit_mib
            ),
        ),
        (false, Some(0)) => (SessionReason::Exited, "The application ended.".to_owned()),
        (false, Some(code)) => {
            (SessionReason::ExitCode, format!("The application ended with exit code {code}. Its log may say why."))
        }
        (false, None) => (SessionReason::EngineError, "The engine does not say how it ended.".to_owned()),
    };
    begin_stop(tx, app, session, reason, &message, Some(0), after, now).await
}

/// The end: nothing of it is left on any engine, and what it held is given back.
pub async fn finish(tx: &Tx, app: &App, session: &SessionRecord, after: &mut After, now: Timestamp) -> AppResult<()> {
    let session = store::sessions::record(tx, session.id).await?;
    let ran = session.start_time.is_some();
    let status = outcome(session.reason, ran);
    store::allocations::release(tx, session.id, ran, now, now).await?;
    if !store::sessions::finish(tx, session.id, status, session.reason, session.message.clone(), now).await? {
        return Ok(());
    }
    let severity = if status == SessionStatus::Failed { EventSeverity::Warning } else { EventSeverity::Info };
    let text = session.message.as_deref().unwrap_or("It ended.");
    let message = format!("{} {status}: {text}", session.session_name);
    engine::session_event_with(tx, &session, &format!("session_{status}"), severity, message, now).await?;
    after.session(session.id, session.tenant_id, session.user_id, status);
    after.scheduler = true;
    let _ = app;
    Ok(())
}

/// How a session ended, by why it ended and whether it ever ran.
pub fn outcome(reason: Option<SessionReason>, ran: bool) -> SessionStatus {
    match reason {
        Some(
            SessionReason::StoppedByUser
            | SessionReason::StoppedByAdmin
            | SessionReason::NodeDrained
            | SessionReason::TenantSuspended,
        ) if !ran => SessionStatus::Cancelled,
        Some(
            SessionReason::StoppedByUser
            | SessionReason::StoppedByAdmin
            | SessionReason::NodeDrained
            | SessionReason::TenantSuspended
            | SessionReason::Exited
            | SessionReason::MaxRuntime,
        ) => SessionStatus::Completed,
        None => SessionStatus::Cancelled,
        Some(_) => SessionStatus::Failed,
    }
}

/// The session whose inside the caller wants to reach: its log, its files, a terminal.
///
/// # Errors
/// `not_found`; `forbidden` for a session that the caller may see, but not enter.
pub async fn to_enter(call: &Call, id: SessionId) -> AppResult<SessionRecord> {
    let missing = match store::sessions::record_in(call.db(), call.scope, id).await {
        Err(error @ store::StoreError::NotFound(_)) => error,
        found => return Ok(found?),
    };
    if let Some(visible) = call.reach(ResourceType::Session, PermissionAction::Read)
        && store::sessions::record_in(call.db(), visible, id).await.is_ok()
    {
        return Err(Error::forbidden("You may see this session, but only its owner enters it.").into());
    }
    Err(missing.into())
}

/// Whether terminals, logs, files and ports of it can be had now.
///
/// # Errors
/// `state_conflict` with what to do.
pub fn must_run(session: &SessionRecord) -> AppResult<berth_types::NodeId> {
    match (session.status, session.scheduled_node_id) {
        (SessionStatus::Running, Some(node)) => Ok(node),
        (SessionStatus::Paused, _) => Err(Error::conflict("The session is paused. Resume it first.").into()),
        (status, _) if status.is_terminal() => {
            Err(Error::conflict(format!("The session has ended: it is {status}.")).into())
        }
        (status, _) => Err(Error::conflict(format!("The session does not run yet: it is {status}.")).into()),
    }
}

/// Whether its application port can be reached at all.
pub fn has_network(session: &SessionRecord) -> bool {
    session.network_policy != NetworkPolicyKind::None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_an_outcome() {
        for &reason in SessionReason::ALL {
            for ran in [false, true] {
                assert!(outcome(Some(reason), ran).is_terminal());
            }
        }
        assert_eq!(outcome(Some(SessionReason::StoppedByUser), false), SessionStatus::Cancelled);
        assert_eq!(outcome(Some(SessionReason::StoppedByUser), true), SessionStatus::Completed);
        assert_eq!(outcome(Some(SessionReason::Oom), true), SessionStatus::Failed);
    }
}
