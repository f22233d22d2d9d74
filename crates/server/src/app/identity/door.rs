//! Passwords and what guards the door: slow hashes taken in turns, and bars against guessing.
//!
//! Names without an account cost the same time and are barred the same way as known ones, so that nobody learns from
//! Berth who has an account.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use berth_types::{Error, ErrorCode, Timestamp};
use chrono::TimeDelta;
use tokio::sync::Semaphore;

use crate::{
    app::{App, AppResult},
    keyring::random_token,
};

/// Wrong passwords in a row from one address that bar it.
pub(super) const FAILURES_IN_A_ROW: i32 = 5;
/// The first bar, minutes; each further one doubles it.
const BAR_MINUTES: i64 = 15;
/// The longest bar, minutes.
const LONGEST_BAR_MINUTES: i64 = 24 * 60;
/// Names without an account whose failures are remembered at most.
const MAX_STRANGERS: usize = 10_000;
/// Password hashes at the same time: each takes 19 MiB and a processor.
const HASHES_AT_ONCE: usize = 4;
/// How long a login waits for its turn to be hashed.
const HASH_WAIT: Duration = Duration::from_secs(10);

/// Minutes of a bar that comes after `earlier` others.
pub(super) fn bar_minutes(earlier: i32) -> i64 {
    let doubled = BAR_MINUTES << earlier.clamp(0, 16);
    doubled.min(LONGEST_BAR_MINUTES)
}

/// What guards the door of this process: the turns at hashing, and the failures of names that have no account.
pub struct Door {
    turns: Semaphore,
    strangers: Mutex<HashMap<(String, String), Stranger>>,
}

impl Default for Door {
    fn default() -> Self {
        Self { turns: Semaphore::new(HASHES_AT_ONCE), strangers: Mutex::default() }
    }
}

/// The failures of a name without an account from one address.
#[derive(Clone, Copy, Debug)]
struct Stranger {
    failures: i32,
    bars: i32,
    barred_until: Option<Timestamp>,
    last: Timestamp,
}

impl Door {
    pub(super) fn stranger_barred_until(&self, username: &str, client_ip: &str, now: Timestamp) -> Option<Timestamp> {
        let strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let stranger = strangers.get(&(username.to_owned(), client_ip.to_owned()))?;
        stranger.barred_until.filter(|until| *until > now)
    }

    pub(super) fn note_stranger(&self, username: &str, client_ip: &str, now: Timestamp) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.len() >= MAX_STRANGERS {
            // Whoever tries many names pushes out their own oldest ones.
            let oldest = strangers.iter().min_by_key(|(_, stranger)| stranger.last).map(|(key, _)| key.clone());
            oldest.and_then(|key| strangers.remove(&key));
        }
        let new = Stranger { failures: 0, bars: 0, barred_until: None, last: now };
        let stranger = strangers.entry((username.to_owned(), client_ip.to_owned())).or_insert(new);
        stranger.failures += 1;
        stranger.last = now;
        if stranger.failures >= FAILURES_IN_A_ROW {
            stranger.failures = 0;
            stranger.barred_until = Some(now + TimeDelta::minutes(bar_minutes(stranger.bars)));
            stranger.bars += 1;
        }
    }

    /// Runs slow work on passwords off the async threads, a few at a time.
    async fn with_turn<T: Send + 'static>(&self, work: impl FnOnce() -> AppResult<T> + Send + 'static) -> AppResult<T> {
        let turn = tokio::time::timeout(HASH_WAIT, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| {
            Error::new(ErrorCode::RateLimited, "Too many people log in at this moment. Try again shortly.")
                .with_retry_after(5)
        })?;
        tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(error.to_string()))?
    }
}

fn hash_now(password: &str) -> AppResult<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| Error::internal(format!("hashing a password: {error}")))?.to_string())
}

/// The argon2id hash of a password.
///
/// # Errors
/// `rate_limited` when too many wait for theirs.
pub async fn hash_password(app: &App, password: &str) -> AppResult<String> {
    let password = password.to_owned();
    app.door.with_turn(move || hash_now(&password)).await
}

/// Whether the password fits the hash. Without one the work is the same and the answer no.
pub(super) async fn verify_password(app: &App, hash: Option<String>, password: String) -> AppResult<bool> {
    static NOBODY: OnceLock<String> = OnceLock::new();
    let verify = move || {
        let known = hash.is_some();
        let text = match (hash, NOBODY.get()) {
            (Some(hash), _) => hash,
            (None, Some(nobody)) => nobody.clone(),
            (None, None) => {
                let made = hash_now(&random_token())?;
                NOBODY.get_or_init(|| made).clone()
            }
        };
        let parsed =
            PasswordHash::new(&text).map_err(|error| Error::internal(format!("a stored password hash: {error}")))?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
    };
    app.door.with_turn(verify).await
}

/// A password that Berth makes up: 120 random bits.
pub(super) fn made_up_password() -> String {
    random_token().chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_double_up_to_a_day() {
        let minutes: Vec<i64> = (0..9).map(bar_minutes).collect();
        assert_eq!(minutes, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        assert_eq!(bar_minutes(i32::MAX), LONGEST_BAR_MINUTES);
    }

    #[test]
    fn a_name_without_account_is_barred_like_any_other() {
        let door = Door::default();
        let start = Timestamp::UNIX_EPOCH;
        for _ in 0..FAILURES_IN_A_ROW - 1 {
            door.note_stranger("ghost", "192.0.2.1", start);
        }
        assert_eq!(door.stranger_barred_until("ghost", "192.0.2.1", start), None);
        door.note_stranger("ghost", "192.0.2.1", start);
        let until = start + TimeDelta::minutes(15);
        assert_eq!(door.stranger_barred_until("ghost", "192.0.2.1", start), Some(until));
        assert_eq!(door.stranger_barred_until("ghost", "192.0.2.2", start), None);
        assert_eq!(door.stranger_barred_until("ghost", "192.0.2.1", until), None);
        for _ in 0..FAILURES_IN_A_ROW {
            door.note_stranger("ghost", "192.0.2.1", until);
        }
        assert_eq!(door.stranger_barred_until("ghost", "192.0.2.1", until), Some(until + TimeDelta::minutes(30)));
    }

    #[test]
    fn strangers_are_bounded() {
        let door = Door::default();
        for index in 0..MAX_STRANGERS + 10 {
            let at = Timestamp::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(index).unwrap());
            door.note_stranger(&index.to_string(), "192.0.2.1", at);
        }
        assert_eq!(door.strangers.lock().unwrap().len(), MAX_STRANGERS);
    }

    #[test]
    fn hashes_are_argon2id_and_salted() {
        let (one, other) = (hash_now("correct horse").unwrap(), hash_now("correct horse").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != other);
        let parsed = PasswordHash::new(&one).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"wrong horse", &parsed).is_err());
    }
}
