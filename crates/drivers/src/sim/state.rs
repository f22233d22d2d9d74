//! The simulated engine's things: containers, networks, images and the files somebody copied in.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use berth_types::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::journal::{Change, Journal};
use super::program::{Program, Surroundings};
use crate::container::{
    ContainerSpec, ContainerState, ContainerStatus, EngineEvent, EngineEventKind, ImageInfo, NetworkState,
};
use crate::{Cidr, DriverError, Result};

/// A container as it is written down.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub spec: ContainerSpec,
    pub id: String,
    pub status: ContainerStatus,
    pub exit_code: Option<i64>,
    pub oom_killed: bool,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub address: Option<IpAddr>,
    /// Program time that had passed at `resumed_at`.
    pub ran_ms: u64,
    /// Since when the program time goes on, by the clock; for finding out after a restart of the process.
    pub resumed_at: Option<Timestamp>,
    /// The same by a clock that never jumps.
    #[serde(skip)]
    pub resumed: Option<Instant>,
    /// Counts starts and resumptions, so that a timer of an earlier one does nothing.
    #[serde(skip)]
    pub generation: u64,
    /// Earlier runs of this container: when, and how long.
    pub earlier: Vec<(Timestamp, u64)>,
    pub written_bytes: u64,
}

impl Record {
    pub fn program(&self) -> Program {
        let hostname = self.spec.hostname.as_deref().unwrap_or(&self.id[..12.min(self.id.len())]);
        let command: Vec<_> = self.spec.entrypoint.iter().chain(&self.spec.command).cloned().collect();
        Program::parse(
            &command,
            &Surroundings {
                env: &self.spec.env,
                hostname,
                interactive: self.spec.tty || self.spec.stdin_open,
                applications: true,
            },
        )
    }

    /// Program time that has passed.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(self.ran_ms) + self.resumed.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub fn state(&self) -> ContainerState {
        ContainerState {
            name: self.spec.name.clone(),
            id: self.id.clone(),
            image: self.spec.image.clone(),
            status: self.status,
            exit_code: self.exit_code,
            oom_killed: self.oom_killed,
            error: None,
            created_at: Some(self.created_at),
            started_at: self.started_at,
            finished_at: self.finished_at,
            addresses: self.address.into_iter().collect(),
            labels: self.spec.labels.clone(),
            pid: None,
        }
    }

    pub fn go_on(&mut self, now: Timestamp) {
        self.resumed = Some(Instant::now());
        self.resumed_at = Some(now);
        self.generation += 1;
    }

    pub fn hold(&mut self) {
        self.ran_ms = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.resumed = None;
        self.resumed_at = None;
        self.generation += 1;
    }
}

/// A file or directory that was copied in.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub mode: u32,
    pub is_directory: bool,
    pub content: Vec<u8>,
}

#[derive(Default)]
pub(super) struct State {
    pub containers: BTreeMap<String, Record>,
    pub networks: BTreeMap<String, NetworkState>,
    pub images: BTreeMap<String, ImageInfo>,
    pub files: HashMap<String, BTreeMap<String, Node>>,
    pub denied: Vec<Cidr>,
    pub recent: VecDeque<EngineEvent>,
    pub journal: Option<Journal>,
}

/// As many events as Docker keeps.
const EVENTS_KEPT: usize = 256;

impl State {
    pub fn container(&self, name: &str) -> Result<&Record> {
        self.containers.get(name).ok_or_else(|| DriverError::not_found(format_args!("container {name}")))
    }

    pub fn container_mut(&mut self, name: &str) -> Result<&mut Record> {
        self.containers.get_mut(name).ok_or_else(|| DriverError::not_found(format_args!("container {name}")))
    }

    pub fn write(&mut self, change: &Change) -> Result<()> {
        match &mut self.journal {
            Some(journal) => journal
                .append(change)
                .map_err(|error| DriverError::internal(format!("the simulated engine cannot write: {error}"))),
            None => Ok(()),
        }
    }

    pub fn save(&mut self, name: &str) -> Result<()> {
        if self.journal.is_none() {
            return Ok(());
        }
        match self.containers.get(name).cloned() {
            Some(record) => self.write(&Change::Container(Box::new(record))),
            None => self.write(&Change::ContainerGone(name.to_owned())),
        }
    }

    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Container(record) => {
                self.containers.insert(record.spec.name.clone(), *record);
            }
            Change::ContainerGone(name) => {
                self.containers.remove(&name);
            }
            Change::Network(network) => {
                self.networks.insert(network.name.clone(), network);
            }
            Change::NetworkGone(name) => {
                self.networks.remove(&name);
            }
            Change::Image(reference, image) => {
                self.images.insert(reference, image);
            }
            Change::ImageGone(reference) => {
                self.images.remove(&reference);
            }
        }
    }

    pub fn everything(&self) -> impl Iterator<Item = Change> + '_ {
        self.networks
            .values()
            .cloned()
            .map(Change::Network)
            .chain(self.images.iter().map(|(reference, image)| Change::Image(reference.clone(), image.clone())))
            .chain(self.containers.values().cloned().map(|record| Change::Container(Box::new(record))))
    }

    pub fn event(&mut self, kind: EngineEventKind, record: &Record, at: Timestamp) -> EngineEvent {
        let event = EngineEvent {
            kind,
            name: record.spec.name.clone(),
            id: record.id.clone(),
            exit_code: record.exit_code.filter(|_| kind == EngineEventKind::Die),
            labels: record.spec.labels.clone(),
            at: Some(at),
        };
        if self.recent.len() == EVENTS_KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
        event
    }

    /// The lowest address of the network that no running container has.
    pub fn free_address(&self, network: &str) -> Result<Option<IpAddr>> {
        let found =
            self.networks.get(network).ok_or_else(|| DriverError::not_found(format_args!("network {network}")))?;
        let Some(subnet) = found.subnet else { return Ok(None) };
        let IpAddr::V4(base) = subnet.network() else {
            return Ok(None);
        };
        let taken: std::collections::HashSet<IpAddr> = self
            .containers
            .values()
            .filter(|record| record.spec.network.as_deref() == Some(network))
            .filter_map(|record| record.address)
            .collect();
        let size = 1_u64 << (32 - subnet.prefix());
        (2..size.saturating_sub(1))
            .filter_map(|offset| {
                Some(IpAddr::from(u32::from(base).checked_add(u32::try_from(offset).ok()?)?.to_be_bytes()))
            })
            .find(|address| !taken.contains(address))
            .map(Some)
            .ok_or_else(|| DriverError::conflict(format!("network {network} has no free address")))
    }
}
