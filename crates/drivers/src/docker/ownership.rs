//! Whom files belong to that are copied into a container. An archive names owners of the machine it was made on, who mean
//! nothing inside; what a person sends shall belong to the user that the container runs as. The engine could do this
//! itself (`copyUIDGID`), but looks names up among the users of the host and knows no `uid:gid`.

use bytes::{Buf, Bytes, BytesMut};
use futures::stream::{self, StreamExt};

use crate::container::ByteStream;
use crate::{DriverError, Result};

const BLOCK: usize = 512;
/// Largest extended header taken; they hold long names and times.
const MAX_RECORDS: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub uid: u64,
    pub gid: u64,
}

impl Owner {
    /// `user`, `uid`, `user:group` or `uid:gid` as a container's configuration has it; empty is root. Names are looked up
    /// in the container's own files, and what is not there counts as root, as for the engine.
    pub fn of(user: &str, passwd: &str, groups: &str) -> Self {
        let (user, group) = user.split_once(':').unwrap_or((user, ""));
        let field = |line: &str, index: usize| line.split(':').nth(index).map(str::to_owned).unwrap_or_default();
        let number = |text: &str| text.parse::<u32>().ok().map(u64::from);
        let entry = passwd.lines().find(|line| field(line, 0) == user || field(line, 2) == user);
        let listed = |index| entry.and_then(|line| number(&field(line, index)));
        let uid = number(user).or_else(|| listed(2)).unwrap_or(0);
        let gid = if group.is_empty() {
            listed(3)
        } else {
            let by_name = || groups.lines().find(|line| field(line, 0) == group);
            number(group).or_else(|| by_name().and_then(|line| number(&field(line, 2))))
        };
        Self { uid, gid: gid.unwrap_or(0) }
    }

    /// Whether [`Owner::of`] has anything to look up.
    pub fn is_plain(user: &str) -> bool {
        let numeric = |text: &str| text.parse::<u32>().is_ok();
        user.is_empty() || user.split_once(':').is_some_and(|(user, group)| numeric(user) && numeric(group))
    }
}

/// The same tar archive with everything in it owned by `owner`. `InvalidRequest` in the stream when it is none.
pub(super) fn given_to(owner: Owner, archive: ByteStream) -> ByteStream {
    let rewriter = Rewriter { owner, buffer: BytesMut::new(), state: State::Header, size: None };
    stream::try_unfold((archive, rewriter, false), |(mut archive, mut rewriter, mut ended)| async move {
        loop {
            if let Some(bytes) = rewriter.next(ended)? {
                return Ok(Some((bytes, (archive, rewriter, ended))));
            }
            if ended {
                return Ok(None);
            }
            match archive.next().await {
                Some(bytes) => rewriter.buffer.extend_from_slice(&bytes?),
                None => ended = true,
            }
        }
    })
    .boxed()
}

enum State {
    Header,
    /// A header of a sparse file goes on, before so much data.
    Sparse(u64),
    /// Content and padding still to come.
    Data(u64),
    /// After the mark of the end.
    Rest,
}

struct Rewriter {
    owner: Owner,
    buffer: BytesMut,
    state: State,
    /// Of the next entry, by its extended header.
    size: Option<u64>,
}

fn wrong(text: impl std::fmt::Display) -> DriverError {
    DriverError::invalid(format!("the archive cannot be read: {text}"))
}

fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64)
}

impl Rewriter {
    fn next(&mut self, ended: bool) -> Result<Option<Bytes>> {
        loop {
            match self.state {
                State::Data(0) => self.state = State::Header,
                State::Data(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                    if here == 0 {
                        return if ended { Err(wrong("it ends within a file")) } else { Ok(None) };
                    }
                    self.state = State::Data(left - here as u64);
                    return Ok(Some(self.buffer.split_to(here).freeze()));
                }
                State::Rest => return Ok((!self.buffer.is_empty()).then(|| self.buffer.split().freeze())),
                State::Header if self.buffer.is_empty() && ended => return Ok(None),
                State::Header | State::Sparse(_) if self.buffer.len() < BLOCK => {
                    return if ended { Err(wrong("it ends within a header")) } else { Ok(None) };
                }
                State::Sparse(data) => {
                    let block = self.buffer.split_to(BLOCK).freeze();
                    if block[504] == 0 {
                        self.state = State::Data(data);
                    }
                    return Ok(Some(block));
                }
                State::Header if self.buffer[..BLOCK].iter().all(|byte| *byte == 0) => self.state = State::Rest,
                State::Header => return self.header(ended),
            }
        }
    }

    fn header(&mut self, ended: bool) -> Result<Option<Bytes>> {
        let mut header = tar::Header::from_byte_slice(&self.buffer[..BLOCK]).clone();
        let sum: u32 = header.as_bytes().iter().map(|byte| u32::from(*byte)).sum();
        let own: u32 = header.as_old().cksum.iter().map(|byte| u32::from(*byte)).sum();
        // The sum is made with blanks in its own place.
        if header.cksum().ok() != Some(sum - own + 8 * u32::from(b' ')) {
            return Err(wrong("it is no tar archive"));
        }
        let size = header.entry_size().map_err(wrong)?;
        let kind = header.entry_type();
        if kind.is_pax_local_extensions() || kind.is_pax_global_extensions() {
            if size > MAX_RECORDS {
                return Err(wrong("an extended header is too long"));
            }
            let whole = BLOCK + padded(size) as usize;
            if self.buffer.len() < whole {
                return if ended { Err(wrong("it ends within a header")) } else { Ok(None) };
            }
            let block = self.buffer.split_to(whole);
            let (records, file_size) = without_owner(&block[BLOCK..BLOCK + size as usize])?;
            if kind.is_pax_local_extensions() {
                self.size = file_size;
            }
            header.set_size(records.len() as u64);
            header.set_cksum();
            let mut rewritten = header.as_bytes().to_vec();
            rewritten.extend_from_slice(&records);
            rewritten.resize(BLOCK + padded(records.len() as u64) as usize, 0);
            return Ok(Some(rewritten.into()));
        }
        self.buffer.advance(BLOCK);
        // A long name is told in an entry of its own, before the one that an extended header is about.
        let is_name = kind.is_gnu_longname() || kind.is_gnu_longlink();
        let size = if is_name { size } else { self.size.take().unwrap_or(size) };
        let is_file = is_name || !matches!(kind.as_byte(), b'1'..=b'6');
        let data = if is_file { padded(size) } else { 0 };
        let goes_on = kind.is_gnu_sparse() && header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        self.state = if goes_on { State::Sparse(data) } else { State::Data(data) };
        header.set_uid(self.owner.uid);
        header.set_gid(self.owner.gid);
        header.set_cksum();
        Ok(Some(Bytes::copy_from_slice(header.as_bytes())))
    }
}

/// Records of an extended header without those of owners, and the size of the file if they tell it.
fn without_owner(mut records: &[u8]) -> Result<(Vec<u8>, Option<u64>)> {
    let (mut kept, mut size) = (Vec::with_capacity(records.len()), None);
    while !records.is_empty() {
        let broken = || wrong("an extended header is not of the form LENGTH KEY=VALUE");
        let blank = records.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
        let length = std::str::from_utf8(&records[..blank]).ok().and_then(|text| text.parse::<usize>().ok());
        let length = length.filter(|length| (blank + 1..=records.len()).contains(length)).ok_or_else(broken)?;
        let (record, rest) = records.split_at(length);
        let text = &record[blank + 1..];
        if let Some(value) = text.strip_prefix(b"size=") {
            let digits = std::str::from_utf8(value).ok().and_then(|text| text.trim_end().parse().ok());
            size = Some(digits.ok_or_else(broken)?);
        }
        if !text.starts_with(b"uid=") && !text.starts_with(b"gid=") {
            kept.extend_from_slice(record);
        }
        records = rest;
    }
    Ok((kept, size))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use futures::TryStreamExt;

    use super::*;

    const OWNER: Owner = Owner { uid: 1000, gid: 100 };

    /// The archive in pieces of that length.
    async fn rewritten(archive: &[u8], piece: usize) -> Result<Vec<u8>> {
        let pieces: Vec<_> = archive.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let parts: Vec<Bytes> = given_to(OWNER, stream::iter(pieces).boxed()).try_collect().await?;
        Ok(parts.concat())
    }

    fn entry(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, path: &str, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o751);
        header.set_uid(4242);
        header.set_gid(4243);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, path, content).unwrap();
    }

    #[tokio::test]
    async fn everything_changes_hands_and_nothing_else_changes() {
        let mut builder = tar::Builder::new(Vec::new());
        let long = format!("directory/{}", "long".repeat(60));
        entry(&mut builder, tar::EntryType::Directory, "directory/", b"");
        entry(&mut builder, tar::EntryType::Regular, "directory/empty", b"");
        entry(&mut builder, tar::EntryType::Regular, &long, &[7; 1000]);
        builder.append_pax_extensions([("uid", b"4242".as_slice()), ("gid", b"4242"), ("comment", b"kept")]).unwrap();
        entry(&mut builder, tar::EntryType::Regular, "extended", &[8; 1024]);
        let archive = builder.into_inner().unwrap();
        for piece in [1, 511, 512, 4096, archive.len()] {
            let new = rewritten(&archive, piece).await.unwrap();
            let mut names = Vec::new();
            let mut read = tar::Archive::new(new.as_slice());
            for entry in read.entries().unwrap() {
                let mut entry = entry.unwrap();
                let keys = entry
                    .pax_extensions()
                    .unwrap()
                    .map(|records| records.map(|record| record.unwrap().key().unwrap().to_owned()).collect::<Vec<_>>());
                assert!(keys.is_none_or(|keys| keys == ["comment"]));
                let header = entry.header().clone();
                assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap()), (1000, 100, 0o751));
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                names.push((entry.path().unwrap().to_string_lossy().into_owned(), content.len()));
            }
            let wanted = [("directory/", 0), ("directory/empty", 0), (long.as_str(), 1000), ("extended", 1024)];
            assert_eq!(names, wanted.map(|(name, size)| (name.to_owned(), size)));
        }
    }

    #[tokio::test]
    async fn what_is_no_archive_is_refused() {
        let mut builder = tar::Builder::new(Vec::new());
        entry(&mut builder, tar::EntryType::Regular, "file", &[1; 3000]);
        let whole = builder.into_inner().unwrap();
        for wrong in [b"no archive".as_slice(), &[b'x'; 2048], &whole[..100], &whole[..2000]] {
            let error = rewritten(wrong, 700).await.unwrap_err();
            assert_eq!(error.kind, crate::DriverErrorKind::InvalidRequest, "{error}");
        }
        assert_eq!(rewritten(&[], 1).await.unwrap(), b"");
        // The mark of the end may be missing.
        assert_eq!(rewritten(&whole[..512 + 3072], 700).await.unwrap().len(), 512 + 3072);
    }

    #[test]
    fn owners_are_found_as_the_engine_finds_them() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:100::/home/ada:/bin/sh\n";
        let groups = "root:x:0:\nusers:x:100:\nstaff:x:50:ada\n";
        for (user, uid, gid) in [
            ("", 0, 0),
            ("root", 0, 0),
            ("ada", 1000, 100),
            ("ada:staff", 1000, 50),
            ("1000", 1000, 100),
            ("1000:7", 1000, 7),
            ("2000", 2000, 0),
            ("2000:staff", 2000, 50),
            ("nobody-here", 0, 0),
        ] {
            assert_eq!(Owner::of(user, passwd, groups), Owner { uid, gid }, "{user:?}");
        }
        assert!(
            Owner::is_plain("") && Owner::is_plain("10:10") && !Owner::is_plain("10") && !Owner::is_plain("ada:10")
        );
    }
}
