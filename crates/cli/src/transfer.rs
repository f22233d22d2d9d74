//! `session copy`: files and directories into and out of a session, as tar archives that are never held in memory.
//!
//! Targets are read as by `cp`: into a directory that exists, else under the name given. What a session sends is not
//! trusted: nothing is written outside the target, and a new name appears only when all of it has arrived.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use berth_client::{Body, ByteStream, Client};
use berth_types::SessionId;
use futures::TryStreamExt;
use tar::{Archive, Builder, EntryType};
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use crate::failure::Failure;
use crate::output::Progress;

/// Copies `path` of a session to `to`; returns the bytes of the archive.
pub async fn download(client: &Client, id: SessionId, path: &str, to: &Path) -> anyhow::Result<u64> {
    let (to, shown) = (to.to_owned(), to.display().to_string());
    let reader =
        SyncIoBridge::new(StreamReader::new(client.session_files_get(id, path).await?.map_err(io::Error::other)));
    let unpacked = tokio::task::spawn_blocking(move || unpack(reader, &to)).await?;
    unpacked.map_err(|error| Failure::error(format!("{shown}: {error}")))
}

fn unpack(reader: impl Read, to: &Path) -> io::Result<u64> {
    let mut reader = Counted::new(reader);
    if to.is_dir() {
        Archive::new(&mut reader).unpack(to)?;
        return drain(reader);
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if to.as_os_str().as_encoded_bytes().ends_with(b"/") || !parent.is_dir() {
        return Err(io::Error::other("there is no such directory"));
    }
    let staging = tempfile::Builder::new().prefix(".berth-copy-").tempdir_in(parent)?;
    Archive::new(&mut reader).unpack(staging.path())?;
    let bytes = drain(reader)?;
    let mut roots = fs::read_dir(staging.path())?;
    match (roots.next().transpose()?, roots.next()) {
        (Some(root), None) => fs::rename(root.path(), to)?,
        _ => return Err(io::Error::other("several files came: name a directory that exists")),
    }
    Ok(bytes)
}

/// Reads on to the end of the answer, where a broken connection would show.
fn drain(mut reader: Counted<impl Read>) -> io::Result<u64> {
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.bytes)
}

struct Counted<R> {
    inner: R,
    bytes: u64,
    progress: Progress,
}

impl<R> Counted<R> {
    fn new(inner: R) -> Self {
        Self { inner, bytes: 0, progress: Progress::new() }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let before = self.bytes;
        self.bytes += read as u64;
        if before >> 20 != self.bytes >> 20 {
            self.progress.show(&format!("{} MB", self.bytes >> 20));
        }
        Ok(read)
    }
}

/// Copies `from` to `to` in a session.
pub async fn upload(client: &Client, id: SessionId, from: &Path, to: &str) -> anyhow::Result<()> {
    let unreadable = |error: io::Error| Failure::error(format!("{}: {error}", from.display()));
    let source = fs::canonicalize(from).map_err(unreadable)?;
    let own_name = source.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let own_name =
        own_name.ok_or_else(|| Failure::error(format!("{} has no name that could be used", from.display())))?;
    let into_directory = to.ends_with('/') || is_directory(client, id, to).await?;
    let (directory, name) = target(to, into_directory, &own_name);
    let (writer, reader) = tokio::io::duplex(1 << 18);
    let packing = tokio::task::spawn_blocking({
        let writer = SyncIoBridge::new(writer);
        move || pack(writer, &source, &name)
    });
    // Whichever side fails, the other one then fails as well, with a less telling error.
    client.session_files_put(id, &directory, Body::wrap_stream(ReaderStream::new(reader))).await?;
    packing.await?.map_err(unreadable)
}

/// The directory to unpack in and the name there.
fn target(to: &str, into_directory: bool, own_name: &str) -> (String, String) {
    let trimmed = to.trim_end_matches('/');
    if into_directory {
        return (if trimmed.is_empty() { "/" } else { trimmed }.to_owned(), own_name.to_owned());
    }
    match trimmed.rsplit_once('/') {
        Some((parent, name)) => (if parent.is_empty() { "/" } else { parent }.to_owned(), name.to_owned()),
        None => ("/".to_owned(), trimmed.to_owned()),
    }
}

fn pack(writer: impl io::Write, source: &PathBuf, name: &str) -> io::Result<()> {
    let mut builder = Builder::new(writer);
    builder.follow_symlinks(false);
    if source.is_dir() {
        builder.append_dir_all(name, source)?;
    } else {
        builder.append_path_with_name(source, name)?;
    }
    builder.into_inner()?.flush()
}

/// Whether `path` is a directory in the session, by the first entry of its archive.
async fn is_directory(client: &Client, id: SessionId, path: &str) -> anyhow::Result<bool> {
    let archive = match client.session_files_get(id, path).await {
        Ok(archive) => archive,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    Ok(tokio::task::spawn_blocking(move || first_entry(archive)).await?.is_some_and(is_directory_entry))
}

fn first_entry(archive: ByteStream) -> Option<EntryType> {
    let reader = SyncIoBridge::new(StreamReader::new(archive.map_err(io::Error::other)));
    let mut archive = Archive::new(reader);
    let entry = archive.entries().ok()?.next()?.ok()?;
    Some(entry.header().entry_type())
}

/// A link is most often one to a directory (`/var/run`); a file of that name could not be replaced through it anyway.
fn is_directory_entry(kind: EntryType) -> bool {
    matches!(kind, EntryType::Directory | EntryType::Symlink)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, Option<&str>)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(if content.is_some() { 0o644 } else { 0o755 });
            header.set_entry_type(if content.is_some() { EntryType::Regular } else { EntryType::Directory });
            header.set_size(content.map_or(0, str::len) as u64);
            // Written past the check of set_path, as a hostile session would.
            let name = &mut header.as_old_mut().name;
            name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, content.unwrap_or("").as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn a_file_gets_the_name_asked_for_or_lands_in_the_directory() {
        let here = tempfile::tempdir().unwrap();
        let tar = archive(&[("a.txt", Some("hello"))]);
        unpack(&*tar, &here.path().join("b.txt")).unwrap();
        assert_eq!(fs::read_to_string(here.path().join("b.txt")).unwrap(), "hello");
        unpack(&*tar, here.path()).unwrap();
        assert_eq!(fs::read_to_string(here.path().join("a.txt")).unwrap(), "hello");
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 2, "nothing else is left behind");
    }

    #[test]
    fn a_directory_comes_whole() {
        let here = tempfile::tempdir().unwrap();
        let tar = archive(&[("d/", None), ("d/x", Some("1")), ("d/e/", None), ("d/e/y", Some("2"))]);
        unpack(&*tar, &here.path().join("copy")).unwrap();
        assert_eq!(fs::read_to_string(here.path().join("copy/e/y")).unwrap(), "2");
    }

    #[test]
    fn nothing_is_written_outside() {
        let here = tempfile::tempdir().unwrap();
        let inside = here.path().join("inside");
        fs::create_dir(&inside).unwrap();
        let tar = archive(&[("../evil", Some("x")), ("/tmp/../evil2", Some("x")), ("ok", Some("x"))]);
        let _ = unpack(&*tar, &inside);
        assert!(!here.path().join("evil").exists());
        assert!(!here.path().join("evil2").exists());
    }

    #[test]
    fn a_link_does_not_lead_outside() {
        let here = tempfile::tempdir().unwrap();
        let (inside, outside) = (here.path().join("inside"), here.path().join("outside"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        let mut builder = Builder::new(Vec::new());
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(EntryType::Symlink);
        link.set_size(0);
        builder.append_link(&mut link, "way", &outside).unwrap();
        let mut file = tar::Header::new_gnu();
        file.set_size(1);
        file.set_mode(0o644);
        builder.append_data(&mut file, "way/evil", &b"x"[..]).unwrap();
        let tar = builder.into_inner().unwrap();
        assert!(unpack(&*tar, &inside).is_err());
        assert!(!outside.join("evil").exists());
    }

    #[test]
    fn a_cut_archive_leaves_no_half_file() {
        let here = tempfile::tempdir().unwrap();
        let tar = archive(&[("a", Some(&"x".repeat(2000)))]);
        assert!(unpack(&tar[..1000], &here.path().join("b")).is_err());
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0);
    }

    #[test]
    fn missing_directories_are_said() {
        let here = tempfile::tempdir().unwrap();
        let tar = archive(&[("a", Some("x"))]);
        for missing in ["no/such", "no/"] {
            let error = unpack(&*tar, &here.path().join(missing)).unwrap_err();
            assert!(error.to_string().contains("no such directory"), "{error}");
        }
    }

    #[test]
    fn targets_are_read_as_by_cp() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(target("/tmp/", true, "a"), pair("/tmp", "a"));
        assert_eq!(target("/tmp", true, "a"), pair("/tmp", "a"));
        assert_eq!(target("/", true, "a"), pair("/", "a"));
        assert_eq!(target("/tmp/b", false, "a"), pair("/tmp", "b"));
        assert_eq!(target("/b", false, "a"), pair("/", "b"));
    }

    #[test]
    fn packing_and_unpacking_keep_content() {
        let here = tempfile::tempdir().unwrap();
        let from = here.path().join("from");
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::write(from.join("deep/file"), "content").unwrap();
        let mut tar = Vec::new();
        pack(&mut tar, &from, "renamed").unwrap();
        unpack(&*tar, here.path()).unwrap();
        assert_eq!(fs::read_to_string(here.path().join("renamed/deep/file")).unwrap(), "content");
    }
}
