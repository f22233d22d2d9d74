//! Streams of the engine read without bollard, whose decoder guesses from the first byte whether output is framed: a
//! terminal that prints a zero byte would hang there. Here the caller says it.

use bytes::{Buf, Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};

use crate::container::{ByteStream, EngineEvent, EngineEventKind, LogChunk, OutputStream};
use crate::{DriverError, DriverErrorKind, Result};
use berth_types::{StringMap, Timestamp};

/// How output arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A terminal: bytes as they come.
    Raw,
    /// Eight bytes of header (stream, three zeros, big-endian length) before each piece.
    Multiplexed,
}

/// Largest piece accepted from the engine; it sends at most 16 KiB per log line piece and 32 KiB per copy buffer.
const MAX_FRAME: usize = 16 * 1024 * 1024;

struct Decoder {
    framing: Framing,
    /// Each piece (or line, when raw) begins with a time and a space.
    timestamps: bool,
    buffer: BytesMut,
}

impl Decoder {
    fn next(&mut self, ended: bool) -> Result<Option<LogChunk>> {
        match self.framing {
            Framing::Raw => Ok(self.next_raw(ended)),
            Framing::Multiplexed => self.next_frame(ended),
        }
    }

    fn next_raw(&mut self, ended: bool) -> Option<LogChunk> {
        let length = if self.timestamps {
            match self.buffer.iter().position(|byte| *byte == b'\n') {
                Some(position) => position + 1,
                None if ended => self.buffer.len(),
                None => 0,
            }
        } else {
            self.buffer.len()
        };
        (length > 0).then(|| {
            let bytes = self.buffer.split_to(length).freeze();
            self.chunk(OutputStream::Stdout, bytes)
        })
    }

    fn next_frame(&mut self, ended: bool) -> Result<Option<LogChunk>> {
        loop {
            let cut = || DriverError::new(DriverErrorKind::Ambiguous, "the engine's output was cut off");
            if self.buffer.len() < 8 {
                return if ended && !self.buffer.is_empty() { Err(cut()) } else { Ok(None) };
            }
            let length = u32::from_be_bytes([self.buffer[4], self.buffer[5], self.buffer[6], self.buffer[7]]) as usize;
            let stream = match self.buffer[0] {
                0 | 1 => OutputStream::Stdout,
                2 => OutputStream::Stderr,
                // The engine reports a failure inside the stream as stream 3.
                3 if self.buffer.len() >= 8 + length => {
                    let text = String::from_utf8_lossy(&self.buffer[8..8 + length]).into_owned();
                    return Err(DriverError::internal(format!("the engine stopped its output: {text}")));
                }
                3 => OutputStream::Stderr,
                _ => return Err(DriverError::internal("the engine's output is not framed as announced")),
            };
            if length > MAX_FRAME {
                return Err(DriverError::internal(format!("the engine announced a piece of {length} bytes")));
            }
            if self.buffer.len() < 8 + length {
                return if ended { Err(cut()) } else { Ok(None) };
            }
            self.buffer.advance(8);
            let bytes = self.buffer.split_to(length).freeze();
            if !bytes.is_empty() {
                return Ok(Some(self.chunk(stream, bytes)));
            }
        }
    }

    fn chunk(&self, stream: OutputStream, mut bytes: Bytes) -> LogChunk {
        let mut timestamp = None;
        if self.timestamps
            && let Some(space) = bytes.iter().take(40).position(|byte| *byte == b' ')
            && let Some(time) = std::str::from_utf8(&bytes[..space]).ok().and_then(parse_time)
        {
            timestamp = Some(time);
            bytes.advance(space + 1);
        }
        LogChunk { stream, bytes, timestamp }
    }
}

pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    // Docker's zero time stands for "never".
    if text.starts_with("0001-") {
        return None;
    }
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// Output of a container or a command.
pub(super) fn output(source: ByteStream, framing: Framing, timestamps: bool) -> BoxStream<'static, Result<LogChunk>> {
    let decoder = Decoder { framing, timestamps, buffer: BytesMut::new() };
    stream::try_unfold((source, decoder, false), |(mut source, mut decoder, mut ended)| async move {
        loop {
            if let Some(chunk) = decoder.next(ended)? {
                return Ok(Some((chunk, (source, decoder, ended))));
            }
            if ended {
                return Ok(None);
            }
            match source.next().await {
                Some(bytes) => decoder.buffer.extend_from_slice(&bytes?),
                None => ended = true,
            }
        }
    })
    .boxed()
}

#[derive(serde::Deserialize)]
struct RawEvent {
    #[serde(default, rename = "Action")]
    action: String,
    #[serde(default, rename = "Actor")]
    actor: RawActor,
    #[serde(default, rename = "timeNano")]
    time_nano: i64,
}

#[derive(Default, serde::Deserialize)]
struct RawActor {
    #[serde(default, rename = "ID")]
    id: String,
    #[serde(default, rename = "Attributes")]
    attributes: StringMap,
}

impl RawEvent {
    fn into_event(self) -> Option<EngineEvent> {
        let kind = match self.action.as_str() {
            "create" => EngineEventKind::Create,
            "start" => EngineEventKind::Start,
            "die" | "died" => EngineEventKind::Die,
            "oom" => EngineEventKind::OutOfMemory,
            "pause" => EngineEventKind::Pause,
            "unpause" => EngineEventKind::Unpause,
            "kill" => EngineEventKind::Kill,
            "stop" => EngineEventKind::Stop,
            "restart" => EngineEventKind::Restart,
            "rename" => EngineEventKind::Rename,
            "destroy" | "remove" => EngineEventKind::Destroy,
            _ => return None,
        };
        // The engine mixes its own attributes into the labels; ours have a dot, its own do not.
        let attributes = &self.actor.attributes;
        let exit_code = attributes.get("exitCode").or_else(|| attributes.get("containerExitCode"));
        Some(EngineEvent {
            kind,
            name: attributes.get("name").cloned().unwrap_or_default(),
            exit_code: exit_code.and_then(|code| code.parse().ok()),
            id: self.actor.id,
            labels: self.actor.attributes.into_iter().filter(|(key, _)| key.contains('.')).collect(),
            at: (self.time_nano > 0).then(|| chrono::DateTime::from_timestamp_nanos(self.time_nano)),
        })
    }
}

/// The event kinds asked of the engine: without this every command run inside a container would be one.
pub(super) const EVENT_ACTIONS: &[&str] =
    &["create", "start", "die", "oom", "pause", "unpause", "kill", "stop", "restart", "rename", "destroy"];

/// Events, one JSON object per line (or just one after the other).
pub(super) fn events(source: ByteStream) -> BoxStream<'static, Result<EngineEvent>> {
    stream::try_unfold((source, BytesMut::new()), |(mut source, mut buffer)| async move {
        loop {
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line = buffer.split_to(end + 1);
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let event: RawEvent = serde_json::from_slice(&line)
                    .map_err(|error| DriverError::internal(format!("an event cannot be read: {error}")))?;
                if let Some(event) = event.into_event() {
                    return Ok(Some((event, (source, buffer))));
                }
            }
            match source.next().await {
                Some(bytes) => buffer.extend_from_slice(&bytes?),
                None => {
                    return Err(DriverError::unavailable("the engine closed its stream of events"));
                }
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    fn bytes(pieces: &[&[u8]]) -> ByteStream {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        stream::iter(pieces).boxed()
    }

    #[tokio::test]
    async fn frames_split_anywhere_come_out_whole() {
        let whole: &[u8] = b"\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\x02de";
        for cut in 0..whole.len() {
            let source = bytes(&[&whole[..cut], &whole[cut..]]);
            let chunks: Vec<_> = output(source, Framing::Multiplexed, false).try_collect().await.unwrap();
            assert_eq!(chunks.len(), 2, "cut at {cut}");
            assert_eq!((chunks[0].stream, chunks[0].bytes.as_ref()), (OutputStream::Stdout, b"abc".as_ref()));
            assert_eq!((chunks[1].stream, chunks[1].bytes.as_ref()), (OutputStream::Stderr, b"de".as_ref()));
        }
        let cut_off = output(bytes(&[&whole[..9]]), Framing::Multiplexed, false).try_collect::<Vec<_>>().await;
        assert_eq!(cut_off.unwrap_err().kind, DriverErrorKind::Ambiguous);
    }

    #[tokio::test]
    async fn a_terminal_may_print_control_bytes() {
        let chunks: Vec<_> = output(bytes(&[b"\0\x01x"]), Framing::Raw, false).try_collect().await.unwrap();
        assert_eq!(chunks[0].bytes.as_ref(), b"\0\x01x");
    }

    #[tokio::test]
    async fn timestamps_are_taken_off() {
        let source = bytes(&[b"2026-01-02T03:04:05.000000006Z one\n2026-01-02T03:0", b"4:06Z two"]);
        let chunks: Vec<_> = output(source, Framing::Raw, true).try_collect().await.unwrap();
        assert_eq!(chunks[0].bytes.as_ref(), b"one\n");
        assert_eq!(chunks[0].timestamp.unwrap().timestamp_subsec_nanos(), 6);
        assert_eq!(chunks[1].bytes.as_ref(), b"two");
    }

    #[tokio::test]
    async fn events_are_read_and_the_end_is_an_error() {
        let line = br#"{"Type":"container","Action":"die","Actor":{"ID":"1","Attributes":{"name":"n","exitCode":"137","berth.session":"s","image":"i"}},"timeNano":5}"#;
        let mut stream = events(bytes(&[&line[..30], &line[30..], b"\n"]));
        let event = stream.next().await.unwrap().unwrap();
        assert_eq!((event.kind, event.exit_code), (EngineEventKind::Die, Some(137)));
        assert_eq!(event.labels.len(), 1);
        assert_eq!(stream.next().await.unwrap().unwrap_err().kind, DriverErrorKind::Unavailable);
    }
}
