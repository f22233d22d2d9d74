//! Host rules around the sessions' bridges, in one nftables table of our own.
//!
//! Docker isolates bridges from each other but lets every container reach every service of the host. A table of our own
//! holds whatever Docker, or an administrator's iptables, does: a packet must be accepted in every table to pass, and a
//! drop is final. It matches our bridges by the prefix of their names, so a new network needs no new rule. Docker's
//! own name server lives inside each container's network namespace and needs no way to the host.
//!
//! Two bridges are told apart by a route lookup restricted to the incoming interface (`fib daddr . iif`), because with
//! `br_netfilter` loaded the traffic within one bridge passes here as well and must stay possible.
//!
//! Run with nftables 1.0.6: the rules alone between network namespaces (below), and with Docker in `tests/isolation.rs`.

use std::fmt::Write as _;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::names::BRIDGE_PREFIX;
use crate::{Cidr, DriverError, Result};

/// What was applied and how the kernel lists it; a difference in either means to apply again.
struct Applied {
    script: String,
    listing: String,
}

pub(super) struct Firewall {
    table: String,
    /// How nft is run; tests run it inside a network namespace of their own.
    command: Vec<String>,
    applied: Mutex<Option<Applied>>,
}

impl Firewall {
    /// `table` is a name in nftables' `inet` family, letters, digits and `_` only.
    pub(super) fn new(table: String) -> Result<Self> {
        if table.is_empty() || !table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(DriverError::invalid("a firewall table's name has letters, digits and _ only"));
        }
        Ok(Self { table, command: vec!["nft".to_owned()], applied: Mutex::new(None) })
    }

    pub(super) async fn ensure(&self, denied: &[Cidr]) -> Result<()> {
        let script = script(&self.table, denied);
        let mut applied = self.applied.lock().await;
        if let Some(before) = applied.as_ref()
            && before.script == script
            && self.listing().await.is_ok_and(|listing| listing == before.listing)
        {
            return Ok(());
        }
        *applied = None;
        self.nft(&["-f", "-"], Some(&script)).await?;
        let listing = self.listing().await?;
        *applied = Some(Applied { script, listing });
        Ok(())
    }

    async fn listing(&self) -> Result<String> {
        self.nft(&["list", "table", "inet", &self.table], None).await
    }

    /// For an installation that goes, and for tests.
    pub(super) async fn ensure_absent(&self) -> Result<()> {
        let mut applied = self.applied.lock().await;
        // Declaring it first makes deleting it succeed when it is not there.
        let script = format!("table inet {0} {{}}\ndelete table inet {0}\n", self.table);
        self.nft(&["-f", "-"], Some(&script)).await?;
        *applied = None;
        Ok(())
    }

    async fn nft(&self, arguments: &[&str], input: Option<&str>) -> Result<String> {
        let mut child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .args(arguments)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                    DriverError::unsupported(format!("nft cannot be run ({error}): {REMEDY}"))
                }
                _ => DriverError::internal(format!("nft cannot be run: {error}")),
            })?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(input.as_bytes()).await.map_err(|error| DriverError::internal(format!("nft: {error}")))?;
        }
        let output = child.wait_with_output().await.map_err(|error| DriverError::internal(format!("nft: {error}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let lower = text.to_ascii_lowercase();
        if ["not permitted", "permission denied", "not supported", "must be root"]
            .iter()
            .any(|words| lower.contains(words))
        {
            return Err(DriverError::unsupported(format!("nft refused ({text}): {REMEDY}")));
        }
        Err(DriverError::internal(format!("nft failed: {text}")))
    }
}

/// One transaction: the old table goes and the new one comes at the same instant.
fn script(table: &str, denied: &[Cidr]) -> String {
    let mut text = format!("table inet {table} {{}}\ndelete table inet {table}\ntable inet {table} {{\n");
    let (v4, v6): (Vec<&Cidr>, Vec<&Cidr>) = denied.iter().partition(|block| block.network().is_ipv4());
    for (name, kind, blocks) in [("denied4", "ipv4_addr", v4), ("denied6", "ipv6_addr", v6)] {
        let elements: Vec<_> = blocks.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  set {name} {{ type {kind}; flags interval; auto-merge;");
        if !elements.is_empty() {
            let _ = writeln!(text, "    elements = {{ {} }}", elements.join(", "));
        }
        text.push_str("  }\n");
    }
    // Only answers count as established: a flow that a container began is judged anew, so that a block denied today
    // also ends the connections of yesterday.
    let _ = write!(
        text,
        r#"  chain input {{
    type filter hook input priority filter - 10; policy accept;
    iifname "{BRIDGE_PREFIX}*" ct state established,related ct direction reply accept
    iifname "{BRIDGE_PREFIX}*" drop
  }}
  chain forward {{
    type filter hook forward priority filter - 10; policy accept;
    iifname "{BRIDGE_PREFIX}*" ct state established,related ct direction reply accept
    iifname "{BRIDGE_PREFIX}*" oifname "{BRIDGE_PREFIX}*" fib daddr . iif oif missing drop
    iifname "{BRIDGE_PREFIX}*" ip daddr @denied4 drop
    iifname "{BRIDGE_PREFIX}*" ip6 daddr @denied6 drop
  }}
}}
"#
    );
    text
}

const REMEDY: &str = "sessions are not kept from the host's services until the package nftables is installed and Berth \
                      runs as root or with CAP_NET_ADMIN";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_holds_only_what_was_parsed() {
        let denied = ["169.254.169.254".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let text = script("berth", &denied);
        assert!(text.contains("elements = { 169.254.169.254/32 }"));
        assert!(text.contains("elements = { fd00::/8 }"));
        assert!(!script("berth", &[]).contains("elements"));
    }

    #[tokio::test]
    async fn without_nft_it_says_what_to_do() {
        let command = vec!["/nonexistent/nft".to_owned()];
        let firewall = Firewall { command, ..Firewall::new("berth".to_owned()).unwrap() };
        let error = firewall.ensure(&[]).await.unwrap_err();
        assert_eq!(error.kind, crate::DriverErrorKind::Unsupported);
        assert!(error.message.contains("package nftables"), "{error}");
    }

    #[test]
    fn table_names_are_checked() {
        assert!(Firewall::new("berth_1".to_owned()).is_ok());
        assert!(Firewall::new("a; flush ruleset".to_owned()).is_err());
        assert!(Firewall::new(String::new()).is_err());
    }

    /// A little world: a host with two session bridges and a way out, three containers (two on the first bridge) and two
    /// machines outside. No Docker takes part, so nothing but our own rules can hold anybody back.
    struct Lab(String);

    impl Lab {
        fn sh(&self, script: &str) -> std::process::Output {
            let script = script.replace("@", &format!("{}-", self.0));
            std::process::Command::new("sh").args(["-ec", &script]).output().unwrap()
        }

        fn build() -> Self {
            let lab = Self(format!("bl{}", std::process::id()));
            let built = lab.sh(r#"
                for ns in host c1 c2 c3 out; do ip netns add @$ns; ip -n @$ns link set lo up; done
                ip netns exec @host sysctl -qw net.ipv4.ip_forward=1
                for bridge in 1 2; do
                    ip -n @host link add brthlab$bridge type bridge
                    ip -n @host addr add 10.9.$bridge.1/24 dev brthlab$bridge
                    ip -n @host link set brthlab$bridge up
                done
                attach() {
                    ip -n @host link add v$1 type veth peer name eth0 netns @$1
                    ip -n @host link set v$1 master brthlab$2 up
                    ip -n @$1 addr add 10.9.$2.$3/24 dev eth0
                    ip -n @$1 link set eth0 up
                    ip -n @$1 route add default via 10.9.$2.1
                }
                attach c1 1 11; attach c2 1 12; attach c3 2 13
                ip -n @host link add vout type veth peer name eth0 netns @out
                ip -n @host addr add 192.0.2.1/24 dev vout; ip -n @host link set vout up
                ip -n @out addr add 192.0.2.2/24 dev eth0; ip -n @out addr add 192.0.2.3/24 dev eth0
                ip -n @out link set eth0 up; ip -n @out route add 10.9.0.0/16 via 192.0.2.1
                "#);
            assert!(
                built.status.success(),
                "the lab needs root and iproute2: {}",
                String::from_utf8_lossy(&built.stderr)
            );
            lab
        }

        /// Whether a TCP connection from one to an address of another gets through, with a server put up just for it.
        fn reaches(&self, from: &str, to: &str, address: &str) -> bool {
            let mut server = std::process::Command::new("ip")
                .args(["netns", "exec", &format!("{}-{to}", self.0), "busybox", "nc", "-l", "-p", "7777"])
                .stdin(Stdio::null())
                .spawn()
                .unwrap();
            let listens = || self.sh(&format!("ip netns exec @{to} ss -Hltn | grep -q :7777")).status.success();
            let start = std::time::Instant::now();
            while !listens() {
                assert!(start.elapsed().as_secs() < 10, "the server does not come up");
            }
            let reached =
                self.sh(&format!("ip netns exec @{from} busybox nc -w 1 {address} 7777 < /dev/null")).status.success();
            server.kill().unwrap();
            server.wait().unwrap();
            reached
        }
    }

    impl Drop for Lab {
        fn drop(&mut self) {
            self.sh("for ns in host c1 c2 c3 out; do ip netns del @$ns || true; done");
        }
    }

    #[tokio::test]
    async fn our_rules_alone_hold() {
        if std::env::var("BERTH_SKIP_DOCKER").is_ok_and(|value| value == "1") {
            println!("SKIPPED our_rules_alone_hold: BERTH_SKIP_DOCKER=1");
            return;
        }
        let lab = Lab::build();
        let host = format!("{}-host", lab.0);
        let command = ["ip", "netns", "exec", &host, "nft"].map(str::to_owned).to_vec();
        let firewall = Firewall { command, ..Firewall::new("berth".to_owned()).unwrap() };

        // Without rules everything gets through, so that what follows is the rules' doing.
        for (from, to, address) in [
            ("c1", "host", "10.9.1.1"),
            ("c1", "host", "10.9.2.1"),
            ("c1", "host", "192.0.2.1"),
            ("c1", "c3", "10.9.2.13"),
            ("c1", "c2", "10.9.1.12"),
            ("c1", "out", "192.0.2.2"),
            ("host", "c1", "10.9.1.11"),
        ] {
            assert!(lab.reaches(from, to, address), "{from} to {to} at {address} before any rule");
        }

        let denied = ["192.0.2.3/32".parse().unwrap()];
        firewall.ensure(&denied).await.unwrap();
        for (from, to, address) in [
            ("c1", "host", "10.9.1.1"),
            ("c1", "host", "10.9.2.1"),
            ("c1", "host", "192.0.2.1"),
            ("c1", "c3", "10.9.2.13"),
            ("c3", "c1", "10.9.1.11"),
            ("c1", "out", "192.0.2.3"),
        ] {
            assert!(!lab.reaches(from, to, address), "{from} reaches {to} at {address}");
        }
        for (from, to, address) in [
            ("c1", "c2", "10.9.1.12"),
            ("c1", "out", "192.0.2.2"),
            ("host", "c1", "10.9.1.11"),
            ("host", "c3", "10.9.2.13"),
            ("out", "c1", "10.9.1.11"),
            ("out", "host", "192.0.2.1"),
        ] {
            assert!(lab.reaches(from, to, address), "{from} does not reach {to} at {address}");
        }

        // Again, unchanged; then after somebody flushed it behind our back; then with nothing denied.
        firewall.ensure(&denied).await.unwrap();
        assert!(lab.sh("ip netns exec @host nft flush chain inet berth input").status.success());
        assert!(lab.reaches("c1", "host", "10.9.1.1"), "the flush did nothing");
        firewall.ensure(&denied).await.unwrap();
        assert!(!lab.reaches("c1", "host", "10.9.1.1"), "flushed rules were not restored");
        firewall.ensure(&[]).await.unwrap();
        assert!(lab.reaches("c1", "out", "192.0.2.3"), "still denied");
        firewall.ensure_absent().await.unwrap();
        firewall.ensure_absent().await.unwrap();
        assert!(lab.reaches("c1", "host", "10.9.1.1"), "still there");
    }
}
