//! Files of simulated containers: only what was copied in, kept in memory and gone with the process.

use std::collections::BTreeMap;
use std::io::Read;

use super::state::{Node, State};
use crate::container::PathInfo;
use crate::{DriverError, Result};

/// Directories that every container has.
const DIRECTORIES: &[&str] = &["/", "/etc", "/home", "/home/berth", "/tmp"];

/// Absolute, without `.` and `..` and a slash at the end.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn find(files: Option<&BTreeMap<String, Node>>, path: &str) -> Option<Node> {
    if let Some(node) = files.and_then(|files| files.get(path)) {
        return Some(node.clone());
    }
    DIRECTORIES.contains(&path).then(|| Node {
        mode: if path == "/tmp" { 0o1777 } else { 0o755 },
        is_directory: true,
        content: Vec::new(),
    })
}

fn broken(error: &std::io::Error) -> DriverError {
    DriverError::invalid(format!("the archive cannot be read: {error}"))
}

pub(super) fn unpack(state: &mut State, name: &str, path: &str, archive: &[u8]) -> Result<()> {
    let id = state.container(name)?.id.clone();
    let target = normal(path);
    match find(state.files.get(&id), &target) {
        Some(node) if node.is_directory => {}
        Some(_) => return Err(DriverError::invalid(format!("{target} is not a directory"))),
        None => {
            return Err(DriverError::not_found(format_args!("path {target} in container {name}")));
        }
    }
    let mut fresh = Vec::new();
    for entry in tar::Archive::new(archive).entries().map_err(|error| broken(&error))? {
        let mut entry = entry.map_err(|error| broken(&error))?;
        let inside = entry.path().map_err(|error| broken(&error))?.to_string_lossy().into_owned();
        let mode = entry.header().mode().map_err(|error| broken(&error))? & 0o7777;
        let is_directory = entry.header().entry_type().is_dir();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|error| broken(&error))?;
        fresh.push((normal(&format!("{target}/{inside}")), Node { mode, is_directory, content }));
    }
    state.files.entry(id).or_default().extend(fresh);
    Ok(())
}

pub(super) fn pack(state: &State, name: &str, path: &str) -> Result<Vec<u8>> {
    let files = state.files.get(&state.container(name)?.id);
    let source = normal(path);
    let top = find(files, &source)
        .ok_or_else(|| DriverError::not_found(format_args!("path {source} in container {name}")))?;
    let parent = source.rfind('/').map_or(0, |slash| slash + 1);
    let below = format!("{}/", source.trim_end_matches('/'));
    let mut archive = tar::Builder::new(Vec::new());
    let inside = files.into_iter().flatten().filter(|(path, _)| path.starts_with(&below));
    for (path, node) in std::iter::once((&source, &top)).chain(inside) {
        let relative = path.get(parent..).filter(|relative| !relative.is_empty()).unwrap_or(".");
        let mut header = tar::Header::new_gnu();
        header.set_mode(node.mode);
        header.set_mtime(0);
        header.set_size(node.content.len() as u64);
        header.set_entry_type(if node.is_directory { tar::EntryType::Directory } else { tar::EntryType::Regular });
        archive
            .append_data(&mut header, relative, node.content.as_slice())
            .map_err(|error| DriverError::internal(error.to_string()))?;
    }
    archive.into_inner().map_err(|error| DriverError::internal(error.to_string()))
}

pub(super) fn stat(state: &State, name: &str, path: &str) -> Result<Option<PathInfo>> {
    let files = state.files.get(&state.container(name)?.id);
    let path = normal(path);
    Ok(find(files, &path).map(|node| PathInfo {
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        size_bytes: i64::try_from(node.content.len()).unwrap_or(i64::MAX),
        mode: node.mode,
        is_directory: node.is_directory,
        link_target: None,
        modified_at: None,
    }))
}
