//! Seals secrets with XChaCha20-Poly1305 under a key file made at first start. Replicas share the file; a key that does
//! not open what the database holds is refused at start. Sealed bytes begin with the key's id, so that the right
//! complaint can be made.

use std::{io::Write, path::Path};

use chacha20poly1305::{
    AeadCore, Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, OsRng, Payload},
};
use sha2::{Digest, Sha256};

const KEY_ID: usize = 8;
const NONCE: usize = 24;

/// Holds the sealing key; its `Debug` shows the id only.
#[derive(Clone)]
pub struct Keyring {
    cipher: XChaCha20Poly1305,
    fingerprint_key: [u8; 32],
    id: [u8; KEY_ID],
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({})", self.id_text())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("key file {path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("key file {0}: must hold 64 hexadecimal digits")]
    Malformed(String),
    #[error("key file {0}: others can read it; run `chmod 600` on it")]
    Exposed(String),
    #[error("sealed with key {sealed}, but the key file holds {have}: put the right key file in place")]
    WrongKey { sealed: String, have: String },
    #[error("sealed value is damaged")]
    Damaged,
}

impl Keyring {
    /// Reads the key file, or makes one (mode 600) when there is none.
    ///
    /// # Errors
    /// A file that cannot be read or written, is malformed, or is readable by others.
    pub fn open(path: &Path) -> Result<Self, KeyringError> {
        let label = path.display().to_string();
        let file = |source| KeyringError::File { path: label.clone(), source };
        match std::fs::read_to_string(path) {
            Ok(text) => {
                #[cfg(unix)]
                {
                    use std::os::unix::fs::PermissionsExt;
                    if std::fs::metadata(path).map_err(file)?.permissions().mode() & 0o077 != 0 {
                        return Err(KeyringError::Exposed(label));
                    }
                }
                let key = from_hex(text.trim()).ok_or(KeyringError::Malformed(label))?;
                Ok(Self::from_key(key))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let key: [u8; 32] = XChaCha20Poly1305::generate_key(&mut OsRng).into();
                let mut options = std::fs::OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let mut out = options.open(path).map_err(file)?;
                writeln!(out, "{}", hex(&key)).map_err(file)?;
                out.sync_all().map_err(file)?;
                Ok(Self::from_key(key))
            }
            Err(e) => Err(file(e)),
        }
    }

    pub fn from_key(key: [u8; 32]) -> Self {
        let digest = Sha256::digest(key);
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&digest[..KEY_ID]);
        let fingerprint_key = Sha256::new().chain_update(b"berth fingerprint").chain_update(key).finalize().into();
        Self { cipher: XChaCha20Poly1305::new(&Key::from(key)), fingerprint_key, id }
    }

    /// Tells texts apart without telling them: a plain hash of something short, such as a body with a password in it,
    /// could be guessed from a stolen database.
    pub fn fingerprint(&self, text: &str) -> String {
        hex(&Sha256::new().chain_update(self.fingerprint_key).chain_update(text.as_bytes()).finalize())
    }

    /// Names the key without telling it.
    pub fn id_text(&self) -> String {
        hex(&self.id)
    }

    /// Seals `plain`; `context` (e.g. the row's id) must be the same when it is opened, so that sealed values cannot be
    /// moved from one row to another.
    ///
    /// # Errors
    /// [`KeyringError::Damaged`] when the cipher refuses, which it does only for absurd lengths.
    pub fn seal(&self, plain: &[u8], context: &str) -> Result<Vec<u8>, KeyringError> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed = self.cipher.encrypt(&nonce, payload).map_err(|_| KeyringError::Damaged)?;
        Ok([self.id.as_slice(), nonce.as_slice(), &sealed].concat())
    }

    /// # Errors
    /// Another key, another context, or damage.
    pub fn open_sealed(&self, sealed: &[u8], context: &str) -> Result<Vec<u8>, KeyringError> {
        let (id, rest) = sealed.split_at_checked(KEY_ID).ok_or(KeyringError::Damaged)?;
        if id != self.id {
            return Err(KeyringError::WrongKey { sealed: hex(id), have: self.id_text() });
        }
        let (nonce, body) = rest.split_at_checked(NONCE).ok_or(KeyringError::Damaged)?;
        let nonce = XNonce::from_slice(nonce);
        self.cipher.decrypt(nonce, Payload { msg: body, aad: context.as_bytes() }).map_err(|_| KeyringError::Damaged)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut out = [0; 32];
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(out)
}

/// A new random secret for tokens: 256 bits, URL-safe text.
pub fn random_token() -> String {
    use base64::Engine;
    let key: [u8; 32] = XChaCha20Poly1305::generate_key(&mut OsRng).into();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key)
}

/// What the store keeps of a token: SHA-256, hexadecimal. A random 256-bit token needs no slow hash.
pub fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_values_open_only_with_key_and_context() {
        let keyring = Keyring::from_key([7; 32]);
        let sealed = keyring.seal(b"swordfish", "row-1").unwrap();
        assert_eq!(keyring.open_sealed(&sealed, "row-1").unwrap(), b"swordfish");
        assert!(matches!(keyring.open_sealed(&sealed, "row-2"), Err(KeyringError::Damaged)));
        assert!(matches!(Keyring::from_key([8; 32]).open_sealed(&sealed, "row-1"), Err(KeyringError::WrongKey { .. })));
        assert!(!sealed.windows(9).any(|w| w == b"swordfish"));
    }

    #[test]
    fn fingerprints_depend_on_the_key() {
        let keyring = Keyring::from_key([7; 32]);
        assert_eq!(keyring.fingerprint("a"), keyring.clone().fingerprint("a"));
        assert_ne!(keyring.fingerprint("a"), keyring.fingerprint("b"));
        assert_ne!(keyring.fingerprint("a"), Keyring::from_key([8; 32]).fingerprint("a"));
        assert_ne!(keyring.fingerprint("a"), token_hash("a"));
    }

    #[test]
    fn key_file_is_made_once_and_kept_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let first = Keyring::open(&path).unwrap();
        assert_eq!(first.id_text(), Keyring::open(&path).unwrap().id_text());
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Keyring::open(&path), Err(KeyringError::Exposed(_))));
    }
}
