//! What a launch would meet, said before it is launched: the node, the quotas it counts against, and what it would use.

use berth_types::{
    identity::Role,
    sessions::{QuotaOwner, SessionCheck},
};
use http::Method;
use serde_json::json;

use crate::support::{Options, Server, on_both};

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_counts_and_what_it_would_consume() {
    on_both(|database| async move {
        let server = Server::start(Options { nodes: 1, ..Options::on(database) }).await;
        server.application("quiet", "sleep infinity").await;
        let ada = server.person(server.tenant, "ada", Role::User).await;
        let bob = server.person(server.tenant, "bob", Role::User).await;
        let patch = async |path: String, body| {
            server.ask(Method::PATCH, &path).by(&server.admin.token).json(&body).send().await.expect(200);
        };
        let quota = json!({"quota_config": {"cpu": 1.5, "waiting_sessions": 7, "storage_gb": 50.0}, "quota_storage_gb": 9.0});
        patch(format!("/users/{}", ada.id), quota).await;
        patch(format!("/tenants/{}", server.tenant), json!({"quota_config": {"memory_gb": 64.0}})).await;
        for person in [&ada, &bob] {
            let launch = json!({"application": "quiet", "cpu_request": 0.5, "memory_request_gb": 0.5, "storage_request_gb": 1.0});
            server.running(server.launch_of(person, launch).await).await;
        }
        let check = async |cpu: f64| -> SessionCheck {
            let launch = json!({"application": "quiet", "cpu_request": cpu, "memory_request_gb": 0.25,
                "storage_request_gb": 2.0, "max_runtime_minutes": 90});
            let answer = server.post("/sessions/check", &ada, launch).send().await.expect(200);
            serde_json::from_value(answer.body).unwrap()
        };
        let fits = check(1.0).await;
        assert!(fits.fits_now && !fits.exceeds_quota, "{fits:?}");
        let rows: Vec<_> = fits
            .quota
            .iter()
            .map(|row| (row.scope, row.resource.as_str(), row.unit.as_str(), row.used, row.requested, row.limit))
            .collect();
        let (user, tenant) = (QuotaOwner::User, QuotaOwner::Tenant);
        assert_eq!(
            rows,
            [
                (user, "waiting_sessions", "sessions", 0.0, 1.0, Some(7.0)),
                (user, "sessions", "sessions", 1.0, 1.0, None),
                (user, "cpu", "cores", 0.5, 1.0, Some(1.5)),
                (user, "memory_gb", "GB", 0.5, 0.25, None),
                (user, "gpu", "GPUs", 0.0, 0.0, None),
                (user, "storage_gb", "GB", 1.0, 2.0, Some(9.0)),
                (tenant, "sessions", "sessions", 2.0, 1.0, None),
                (tenant, "cpu", "cores", 1.0, 1.0, None),
                (tenant, "memory_gb", "GB", 1.0, 0.25, Some(64.0)),
                (tenant, "gpu", "GPUs", 0.0, 0.0, None),
                (tenant, "storage_gb", "GB", 2.0, 2.0, None),
            ]
        );
        let hours: Vec<_> =
            fits.hours.iter().map(|row| (row.resource_type.as_str(), row.unit.as_str(), row.amount)).collect();
        assert_eq!(hours, [("cpu", "core-hours", 1.5), ("memory", "GB-hours", 0.375), ("storage", "GB-hours", 3.0)]);

        let waits = check(1.2).await;
        assert!(!waits.fits_now && !waits.exceeds_quota, "it would fit alone: {waits:?}");
        let never = check(2.0).await;
        assert!(!never.fits_now && never.exceeds_quota, "{never:?}");
        let cpu = never.quota.iter().find(|row| row.scope == user && row.resource == "cpu").unwrap();
        assert_eq!((cpu.used, cpu.requested, cpu.limit), (0.5, 2.0, Some(1.5)), "also where it is refused");
        assert_eq!(never.hours[0].amount, 3.0);
        server.finish().await;
    })
    .await;
}
