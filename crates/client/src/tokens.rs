//! The two tokens of a login and where they are kept between runs.
//!
//! A refresh token works once: whoever refreshes gets a new pair and the old one is dead. So two processes of one user
//! must not refresh at the same time, which is why a store is *locked* for the whole exchange and read again under the lock.

use std::io;

use berth_types::{Timestamp, identity::LoginResponse};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: String,
    pub access_expires_at: Timestamp,
    pub refresh_expires_at: Timestamp,
}

impl Tokens {
    /// `None` for a browser's login, whose tokens are cookies.
    pub fn of(response: &LoginResponse) -> Option<Self> {
        Some(Self {
            access_token: response.access_token.clone()?,
            refresh_token: response.refresh_token.clone()?,
            access_expires_at: response.access_expires_at,
            refresh_expires_at: response.refresh_expires_at,
        })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("access_expires_at", &self.access_expires_at).finish_non_exhaustive()
    }
}

/// Where the tokens of one login outlive the process.
pub trait TokenStore: Send + Sync {
    /// Takes exclusive right over the tokens, among processes too; blocks until it has it.
    ///
    /// # Errors
    /// The store's own.
    fn lock(&self) -> io::Result<Box<dyn LockedTokens>>;
}

/// The right is given up by dropping this.
pub trait LockedTokens: Send {
    /// What is kept now; another process may have refreshed meanwhile.
    ///
    /// # Errors
    /// The store's own.
    fn read(&mut self) -> io::Result<Option<Tokens>>;

    /// Keeps a new pair; the one before it no longer works.
    ///
    /// # Errors
    /// The store's own.
    fn on_tokens(&mut self, tokens: &Tokens) -> io::Result<()>;
}
