//! Logins kept between commands: one file per user, readable by nobody else.
//!
//! The file is replaced as a whole, so a crash never leaves half of it; a lock file beside it keeps two commands that
//! refresh at the same moment from using the same refresh token twice.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use berth_client::{LockedTokens, TokenStore, Tokens};
use berth_types::UserId;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Credentials {
    /// The server that commands talk to when none is named.
    pub current: Option<String>,
    /// By the server's address.
    #[serde(default)]
    pub logins: BTreeMap<String, Login>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    pub username: String,
    pub user_id: UserId,
    #[serde(flatten)]
    pub tokens: Tokens,
}

/// The file; nothing is read before it is needed.
#[derive(Clone, Debug)]
pub struct CredentialsFile {
    directory: PathBuf,
}

impl CredentialsFile {
    /// `$XDG_CONFIG_HOME/berth`, else `~/.config/berth`. The specification says that a relative path is to be ignored.
    pub fn of_user() -> io::Result<Self> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let config = config.ok_or_else(|| io::Error::other("neither HOME nor XDG_CONFIG_HOME names a directory"))?;
        Ok(Self { directory: config.join("berth") })
    }

    pub fn path(&self) -> PathBuf {
        self.directory.join("credentials.json")
    }

    /// Empty when nobody has logged in yet.
    pub fn read(&self) -> io::Result<Credentials> {
        let path = self.path();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Credentials::default()),
            Err(error) => return Err(named(&path, &error)),
        };
        let mode = file.metadata()?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(io::Error::other(format!(
                "{} can be read or written by others (mode {mode:03o}). Its tokens may be known: run `chmod 600 {0}`, \
                 then `berth login revoke` what is not yours, or delete the file and log in again",
                path.display()
            )));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| named(&path, &error))?;
        serde_json::from_str(&text).map_err(|error| named(&path, &io::Error::other(error)))
    }

    /// Changes the file under the lock.
    pub fn update(&self, change: impl FnOnce(&mut Credentials)) -> io::Result<()> {
        let _lock = self.lock_file()?;
        let mut credentials = self.read()?;
        change(&mut credentials);
        self.replace(&credentials)
    }

    fn lock_file(&self) -> io::Result<File> {
        if !self.directory.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
            made.map_err(|error| named(&self.directory, &error))?;
        }
        let path = self.directory.join("credentials.lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| named(&path, &error))?;
        file.lock()?;
        Ok(file)
    }

    fn replace(&self, credentials: &Credentials) -> io::Result<()> {
        let mut new = tempfile::Builder::new().prefix(".credentials-").tempfile_in(&self.directory)?;
        new.write_all(serde_json::to_string_pretty(credentials)?.as_bytes())?;
        new.write_all(b"\n")?;
        new.as_file().sync_all()?;
        // tempfile makes files with mode 0600.
        new.persist(self.path()).map_err(|error| error.error)?;
        Ok(())
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Whether others may list the directory of the credentials; a reason to warn, since the file itself is still closed.
pub fn directory_is_open(file: &CredentialsFile) -> bool {
    fs::metadata(&file.directory).is_ok_and(|metadata| metadata.mode() & 0o022 != 0)
}

/// The tokens of one server, for the client to refresh.
#[derive(Debug)]
pub struct StoredLogin {
    pub file: CredentialsFile,
    pub server: String,
}

impl TokenStore for StoredLogin {
    fn lock(&self) -> io::Result<Box<dyn LockedTokens>> {
        let lock = self.file.lock_file()?;
        Ok(Box::new(Locked { file: self.file.clone(), server: self.server.clone(), _lock: lock }))
    }
}

struct Locked {
    file: CredentialsFile,
    server: String,
    _lock: File,
}

impl LockedTokens for Locked {
    fn read(&mut self) -> io::Result<Option<Tokens>> {
        Ok(self.file.read()?.logins.get(&self.server).map(|login| login.tokens.clone()))
    }

    fn on_tokens(&mut self, tokens: &Tokens) -> io::Result<()> {
        let mut credentials = self.file.read()?;
        if let Some(login) = credentials.logins.get_mut(&self.server) {
            login.tokens = tokens.clone();
            self.file.replace(&credentials)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn tokens(access: &str) -> Tokens {
        let time = "2026-11-21T03:30:00Z".parse().unwrap();
        Tokens {
            access_token: access.to_owned(),
            refresh_token: format!("refresh-{access}"),
            access_expires_at: time,
            refresh_expires_at: time,
        }
    }

    fn file() -> (tempfile::TempDir, CredentialsFile) {
        let home = tempfile::tempdir().unwrap();
        let file = CredentialsFile { directory: home.path().join("config/berth") };
        (home, file)
    }

    fn log_in(file: &CredentialsFile, server: &str, access: &str) {
        let login = Login { username: "u".to_owned(), user_id: UserId::new(), tokens: tokens(access) };
        file.update(|credentials| {
            credentials.current = Some(server.to_owned());
            credentials.logins.insert(server.to_owned(), login);
        })
        .unwrap();
    }

    #[test]
    fn written_for_the_owner_alone_and_read_back() {
        let (_home, file) = file();
        assert!(file.read().unwrap().logins.is_empty());
        log_in(&file, "http://a", "one");
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&file.directory).unwrap().mode() & 0o777, 0o700);
        assert_eq!(file.read().unwrap().logins["http://a"].tokens, tokens("one"));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let (_home, file) = file();
        log_in(&file, "http://a", "one");
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = file.read().unwrap_err().to_string();
            assert!(error.contains("can be read or written by others"), "{mode:o}: {error}");
        }
    }

    #[test]
    fn a_refresh_replaces_only_its_own_login() {
        let (_home, file) = file();
        log_in(&file, "http://a", "one");
        log_in(&file, "http://b", "two");
        let store = StoredLogin { file: file.clone(), server: "http://a".to_owned() };
        let mut locked = store.lock().unwrap();
        assert_eq!(locked.read().unwrap(), Some(tokens("one")));
        locked.on_tokens(&tokens("three")).unwrap();
        drop(locked);
        let logins = file.read().unwrap().logins;
        assert_eq!((&logins["http://a"].tokens, &logins["http://b"].tokens), (&tokens("three"), &tokens("two")));
    }

    #[test]
    fn the_lock_is_exclusive() {
        let (_home, file) = file();
        log_in(&file, "http://a", "one");
        let store = StoredLogin { file: file.clone(), server: "http://a".to_owned() };
        let held = store.lock().unwrap();
        let second = OpenOptions::new().write(true).open(file.directory.join("credentials.lock")).unwrap();
        assert!(matches!(second.try_lock(), Err(fs::TryLockError::WouldBlock)));
        drop(held);
        second.try_lock().unwrap();
    }
}
