//! One-time tickets: a WebSocket or an application's page cannot send a bearer token, so a ticket stands in its URL,
//! works once and only within a minute.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use berth_types::{SessionId, TenantId, Timestamp, UserId, sessions::TicketPurpose};
use chrono::Duration;

use crate::keyring::{random_token, token_hash};

/// Seconds a ticket lives.
pub const LIFETIME_SECONDS: i64 = 60;

/// What a ticket was given for.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub purpose: TicketPurpose,
    pub session: SessionId,
    pub tenant: TenantId,
    pub user: UserId,
    pub port: Option<u16>,
    pub command: Option<Vec<String>>,
    pub expires_at: Timestamp,
}

/// Tickets given and not yet used; by hash, like every token.
#[derive(Default)]
pub struct Tickets {
    open: Mutex<HashMap<String, Grant>>,
}

impl Tickets {
    /// Returns the ticket's text.
    pub fn issue(&self, grant: Grant, now: Timestamp) -> String {
        let token = random_token();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, grant| grant.expires_at > now);
        open.insert(token_hash(&token), grant);
        token
    }

    /// Takes the ticket; `None` when it is unknown, used, expired or meant for something else.
    pub fn redeem(&self, token: &str, purpose: TicketPurpose, now: Timestamp) -> Option<Grant> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let grant = open.remove(&token_hash(token))?;
        (grant.purpose == purpose && grant.expires_at > now).then_some(grant)
    }
}

/// When a ticket issued now ends.
pub fn expiry(now: Timestamp) -> Timestamp {
    now + Duration::seconds(LIFETIME_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_works_once_in_time_and_for_its_purpose() {
        let now = Timestamp::UNIX_EPOCH;
        let tickets = Tickets::default();
        let grant = |purpose| Grant {
            purpose,
            session: SessionId::new(),
            tenant: TenantId::new(),
            user: UserId::new(),
            port: None,
            command: None,
            expires_at: expiry(now),
        };
        let token = tickets.issue(grant(TicketPurpose::Terminal), now);
        assert!(tickets.redeem(&token, TicketPurpose::Terminal, now).is_some());
        assert!(tickets.redeem(&token, TicketPurpose::Terminal, now).is_none());
        let token = tickets.issue(grant(TicketPurpose::Logs), now);
        assert!(tickets.redeem(&token, TicketPurpose::Terminal, now).is_none());
        let token = tickets.issue(grant(TicketPurpose::Logs), now);
        assert!(tickets.redeem(&token, TicketPurpose::Logs, expiry(now)).is_none());
    }
}
