//! The simulated engine's memory across a kill of the process: one JSON line per change, appended and never synced,
//! since only the process is meant to die and not the machine. Read and written anew at opening.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::state::Record;
use crate::container::{ImageInfo, NetworkState};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Container(Box<Record>),
    ContainerGone(String),
    Network(NetworkState),
    NetworkGone(String),
    Image(String, ImageInfo),
    ImageGone(String),
}

pub(super) struct Journal {
    file: File,
}

impl Journal {
    /// Every change so far, oldest first. A torn last line is what a kill in the middle of a write leaves, and is dropped.
    pub(super) fn read(path: &Path) -> io::Result<Vec<Change>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut changes = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            if let Ok(change) = serde_json::from_slice(&line?) {
                changes.push(change);
            }
        }
        Ok(changes)
    }

    /// Replaces the file by `changes` and keeps it open for more. It holds environments, so only its owner may read it.
    pub(super) fn rewrite(path: &Path, changes: impl Iterator<Item = Change>) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let fresh = PathBuf::from(format!("{}.new", path.display()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        let mut writer = BufWriter::new(file);
        for change in changes {
            serde_json::to_writer(&mut writer, &change)?;
            writer.write_all(b"\n")?;
        }
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        std::fs::rename(&fresh, path)?;
        Ok(Self { file })
    }

    pub(super) fn append(&mut self, change: &Change) -> io::Result<()> {
        let mut line = serde_json::to_vec(change)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}
