//! Names and labels on the engine, derived from our ids alone: whoever finds a container can tell whose it is, and
//! doing a step twice finds the same thing again.

use berth_types::SessionId;

/// The session a container belongs to.
pub const LABEL_SESSION: &str = "berth.session";
/// The attempt of that session, counted from 1.
pub const LABEL_ATTEMPT: &str = "berth.attempt";
/// The installation of Berth that made the thing, so that two of them can share an engine.
pub const LABEL_INSTALLATION: &str = "berth.installation";

/// The container of one attempt of one session.
pub fn session_container(session: SessionId, attempt: i64) -> String {
    format!("berth-{session}-{attempt}")
}

/// The host's interface for a network: a Linux name holds 15 bytes, and firewall rules match the prefix `brth`.
pub fn bridge_interface(network: &str) -> String {
    // FNV-1a, 64 bit (Fowler, Noll, Vo); 44 of its bits are kept. It must never change: names of live bridges depend on it.
    let hash = network
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{BRIDGE_PREFIX}{:011x}", (hash ^ (hash >> 44)) & ((1 << 44) - 1))
}

/// What every bridge interface of ours begins with.
pub const BRIDGE_PREFIX: &str = "brth";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridge_names_fit_and_differ() {
        let first = bridge_interface("berth-user-1");
        assert_eq!(first.len(), 15);
        assert_eq!(first, bridge_interface("berth-user-1"));
        let all: std::collections::HashSet<_> =
            (0..10_000).map(|n| bridge_interface(&format!("berth-net-{n}"))).collect();
        assert_eq!(all.len(), 10_000);
    }
}
