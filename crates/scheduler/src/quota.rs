//! What a tenant and a user may still claim. Counted down while a plan is made, so that a plan never promises more than
//! the store will commit.

use berth_types::quantities::{mib_to_gb, milli_to_gpus, millicores_to_cores};

use crate::model::{Amounts, Limit, Quota};

/// Sessions, CPU, memory, GPU, storage.
const KINDS: usize = 5;

/// Whose quota it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    User,
    Tenant,
}

impl Owner {
    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tenant => "tenant",
        }
    }
}

/// A quota being consumed by a plan.
#[derive(Clone, Debug)]
pub struct Account {
    limits: [Option<Limit>; KINDS],
    /// A request ahead waits for this resource: its priority, and whether it has waited so long that its own priority must stand back too.
    held: [Option<(i32, bool)>; KINDS],
}

/// Why a quota does not admit a request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    pub kind: usize,
    /// It would not fit with nothing else running.
    pub never: bool,
    /// It would fit, were it not for a request ahead.
    pub behind: bool,
    limit: Limit,
    needs: i64,
}

impl Account {
    pub fn new(quota: &Quota) -> Self {
        Self { limits: [quota.sessions, quota.cpu, quota.memory, quota.gpu, quota.storage], held: [None; KINDS] }
    }

    /// # Errors
    /// The first limit that stands in the way, or one that always will.
    pub fn admits(&self, amounts: &Amounts, priority: i32) -> Result<(), Exceeded> {
        let mut first = None;
        for (kind, needs) in needs(amounts).into_iter().enumerate() {
            let Some(limit) = self.limits[kind].filter(|_| needs > 0) else {
                continue;
            };
            let fits = limit.used.saturating_add(needs) <= limit.limit;
            let behind = fits && stands_back(self.held[kind], priority);
            if !fits || behind {
                let exceeded = Exceeded { kind, never: needs > limit.limit, behind, limit, needs };
                if exceeded.never {
                    return Err(exceeded);
                }
                first = first.or(Some(exceeded));
            }
        }
        first.map_or(Ok(()), Err)
    }

    pub fn claim(&mut self, amounts: &Amounts) {
        for (limit, needs) in self.limits.iter_mut().zip(needs(amounts)) {
            if let Some(limit) = limit {
                limit.used = limit.used.saturating_add(needs);
            }
        }
    }

    /// Keeps what is left for a request that waits for it.
    pub fn hold(&mut self, kind: usize, priority: i32, aged: bool) {
        self.held[kind] = Some(stronger(self.held[kind], (priority, aged)));
    }
}

/// A hold binds those of lower priority, and once it has aged also later ones of the same.
pub fn stands_back(held: Option<(i32, bool)>, priority: i32) -> bool {
    held.is_some_and(|(holder, aged)| priority < holder || (aged && priority == holder))
}

pub fn stronger(held: Option<(i32, bool)>, new: (i32, bool)) -> (i32, bool) {
    held.map_or(new, |old| old.max(new))
}

impl Exceeded {
    /// "your quota of 50 sessions is used up (tenant)".
    pub fn explain(&self, owner: Owner) -> String {
        let owner = owner.as_str();
        let quota = amount(self.kind, self.limit.limit);
        let left = self.limit.limit.saturating_sub(self.limit.used).max(0);
        if self.never {
            format!("your quota of {quota} can never hold the {} asked for ({owner})", amount(self.kind, self.needs))
        } else if self.behind {
            format!("the rest of your quota of {quota} is kept for a request ahead ({owner})")
        } else if left == 0 {
            format!("your quota of {quota} is used up ({owner})")
        } else {
            format!(
                "your quota of {quota} has {} left, {} asked for ({owner})",
                amount(self.kind, left),
                amount(self.kind, self.needs)
            )
        }
    }
}

fn needs(amounts: &Amounts) -> [i64; KINDS] {
    [1, amounts.cpu, amounts.memory, amounts.gpu, amounts.storage]
}

fn amount(kind: usize, value: i64) -> String {
    let (number, unit, one) = match kind {
        0 => (value as f64, "sessions", "session"),
        1 => (millicores_to_cores(value), "cores", "core"),
        2 => (mib_to_gb(value), "GB of memory", "GB of memory"),
        3 => (milli_to_gpus(value), "GPUs", "GPU"),
        _ => (mib_to_gb(value), "GB of storage", "GB of storage"),
    };
    let number = (number * 1000.0).round() / 1000.0;
    format!("{number} {}", if value == [1, 1000, 1024, 1000, 1024][kind] { one } else { unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_used_up() {
        let mut account = Account::new(&Quota {
            sessions: Some(Limit { limit: 2, used: 1 }),
            cpu: Some(Limit { limit: 4000, used: 0 }),
            ..Quota::default()
        });
        let small = Amounts { cpu: 1500, ..Amounts::default() };
        let never = account.admits(&Amounts { cpu: 4001, ..small }, 5).unwrap_err();
        assert!(never.never);
        assert_eq!(never.explain(Owner::User), "your quota of 4 cores can never hold the 4.001 cores asked for (user)");
        account.admits(&small, 5).unwrap();
        account.claim(&small);
        let full = account.admits(&small, 5).unwrap_err();
        assert_eq!(full.explain(Owner::Tenant), "your quota of 2 sessions is used up (tenant)");
        assert!(!full.never && !full.behind);
    }

    #[test]
    fn a_hold_binds_lower_priorities_only_until_it_ages() {
        let mut account = Account::new(&Quota { cpu: Some(Limit { limit: 4000, used: 0 }), ..Quota::default() });
        let small = Amounts { cpu: 1000, ..Amounts::default() };
        account.hold(1, 6, false);
        account.admits(&small, 6).unwrap();
        assert!(account.admits(&small, 5).unwrap_err().behind);
        account.hold(1, 6, true);
        assert!(account.admits(&small, 6).unwrap_err().behind);
        account.admits(&Amounts { memory: 1, ..Amounts::default() }, 1).unwrap();
    }
}
