//! Decides which session starts where, and says why. Pure: the same snapshot, requests and moment give the same plan, so
//! that a plan can be tested, replayed and explained; the store commits it and re-checks capacity and quota.
//!
//! **Order.** Higher priority first, then who has waited longer. Requests are placed one after the other, each on the
//! best node that is left; so nothing that comes later in the queue ever changes the place of what is ahead of it.
//!
//! **Overtaking.** A request that does not fit does not stop smaller ones behind it, except on what it needs most: the
//! node on which it is nearest to fitting (or the part of the quota it waits for) is kept from requests of lower
//! priority, and once it has waited [`Snapshot::hold_after_seconds`], also from those of its own. So large requests are
//! not starved, and no more than one node is kept idle for each. A request that no node could hold even when empty, or
//! that its quota never admits, keeps nothing.
//!
//! **Scores** are 0 to 1 from the policy of the node's pool; preferences add to that, a weight of 100 as much as the whole
//! range. So a request without a pool may compare nodes of pools with different policies. Among equals the node with fewer
//! sessions wins, then the seed decides.
//!
//! Not built yet: preemption, backfill by `max_runtime`, reservations, fair share, sessions over several nodes.

mod filter;
mod fleet;
mod model;
mod planner;
mod quota;
mod score;

pub use filter::Filter;
pub use model::{
    Amounts, Capacity, Gpu, GpuAssignment, GpuWorkload, Limit, NodeSnapshot, Placement, Plan, Quota, Request, Snapshot,
    TenantSnapshot, WHOLE_GPU, WaitingRequest,
};
pub use planner::{check, plan};
