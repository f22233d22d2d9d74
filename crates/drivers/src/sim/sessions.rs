//! What flows in and out of simulated containers: logs, commands run inside, their web server, and events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::{broadcast, mpsc, watch};

use super::SimEngine;
use super::program::{Program, Step, Surroundings};
use super::state::Record;
use crate::container::{
    AsyncReadWrite, ContainerStatus, EngineEvent, ExecControl, ExecSession, ExecSpec, LabelFilter, LogChunk,
    LogOptions, OutputStream, TerminalSize,
};
use crate::{DriverError, Result};

/// All that a container has printed until now, and when it prints next.
fn printed(record: &Record, options: &LogOptions) -> (Vec<LogChunk>, Option<Duration>) {
    let program = record.program();
    let output = program.output();
    let elapsed = record.elapsed();
    let runs = record.earlier.iter().map(|(at, ms)| (*at, Duration::from_millis(*ms)));
    let mut chunks = Vec::new();
    for (started, length) in runs.chain(record.started_at.map(|at| (at, elapsed))) {
        for (after, stream, text) in output.iter().take_while(|(after, _, _)| *after <= length) {
            let at = started + chrono::TimeDelta::from_std(*after).unwrap_or_default();
            if options.since.is_some_and(|since| at < since) || options.until.is_some_and(|until| at > until) {
                continue;
            }
            chunks.push(LogChunk {
                stream: if record.spec.tty { OutputStream::Stdout } else { *stream },
                bytes: Bytes::copy_from_slice(text.as_bytes()),
                timestamp: options.timestamps.then_some(at),
            });
        }
    }
    let next = output.iter().map(|(after, _, _)| *after).find(|after| *after > elapsed);
    (chunks, next.filter(|_| record.status == ContainerStatus::Running).map(|next| next - elapsed))
}

pub(super) fn logs(
    engine: SimEngine,
    name: &str,
    options: &LogOptions,
) -> Result<BoxStream<'static, Result<LogChunk>>> {
    let record = engine.state().container(name)?.clone();
    let (chunks, _) = printed(&record, options);
    let skipped =
        options.tail.map_or(0, |tail| chunks.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX)));
    if !options.follow {
        return Ok(stream::iter(chunks.into_iter().skip(skipped).map(Ok).collect::<Vec<_>>()).boxed());
    }
    let changes = engine.0.changes.subscribe();
    let (name, id, options) = (name.to_owned(), record.id, options.clone());
    let start = (engine, changes, skipped);
    Ok(stream::try_unfold(start, move |(engine, mut changes, given)| {
        let (name, id, options) = (name.clone(), id.clone(), options.clone());
        async move {
            loop {
                changes.mark_unchanged();
                if engine.is_away() {
                    return Err(DriverError::unavailable("the simulated engine went away"));
                }
                let record = engine.state().containers.get(&name).filter(|record| record.id == id).cloned();
                let Some(record) = record else { return Ok(None) };
                let (chunks, next) = printed(&record, &options);
                if let Some(chunk) = chunks.into_iter().nth(given) {
                    return Ok(Some((chunk, (engine, changes, given + 1))));
                }
                if !record.status.is_live() {
                    return Ok(None);
                }
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return Ok(None) },
                    () = tokio::time::sleep(next.unwrap_or(Duration::from_secs(3600))) => {}
                }
            }
        }
    })
    .boxed())
}

struct Shared {
    size: Mutex<TerminalSize>,
    exit: watch::Sender<Option<i64>>,
}

struct SimExec(Arc<Shared>);

#[async_trait]
impl ExecControl for SimExec {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        *self.0.size.lock().unwrap_or_else(PoisonError::into_inner) = size;
        Ok(())
    }

    async fn exit_code(&self) -> Result<Option<i64>> {
        Ok(*self.0.exit.borrow())
    }
}

struct Run {
    shared: Arc<Shared>,
    output: mpsc::Sender<Result<LogChunk>>,
    input: BufReader<DuplexStream>,
    env: Vec<(String, String)>,
    hostname: String,
    tty: bool,
}

impl Run {
    async fn print(&self, stream: OutputStream, text: &str) {
        let (stream, text) =
            if self.tty { (OutputStream::Stdout, text.replace('\n', "\r\n")) } else { (stream, text.to_owned()) };
        // Somebody who hung up reads no more; the command goes on, as on a real engine.
        let _ = self.output.send(Ok(LogChunk { stream, bytes: text.into(), timestamp: None })).await;
    }

    fn parse(&self, command: &[String]) -> Program {
        Program::parse(
            command,
            &Surroundings { env: &self.env, hostname: &self.hostname, interactive: true, applications: false },
        )
    }

    async fn steps(&mut self, program: &Program) -> i64 {
        for step in &program.steps {
            match step {
                Step::Print(stream, text) => self.print(*stream, text).await,
                Step::PrintTerminalSize => {
                    let size = *self.shared.size.lock().unwrap_or_else(PoisonError::into_inner);
                    self.print(OutputStream::Stdout, &format!("{} {}\n", size.rows, size.columns)).await;
                }
                Step::Sleep(time) => tokio::time::sleep(*time).await,
                Step::Exit(code) => return *code,
                Step::OutOfMemory => return 137,
                Step::Forever => std::future::pending().await,
                Step::Cat => {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = self.input.read(&mut buffer).await {
                        self.print(OutputStream::Stdout, &String::from_utf8_lossy(&buffer[..count])).await;
                    }
                }
                Step::Shell => return self.shell().await,
            }
        }
        0
    }

    async fn shell(&mut self) -> i64 {
        let mut last = 0;
        loop {
            let mut line = String::new();
            match self.input.read_line(&mut line).await {
                Ok(1..) => {}
                _ => return last,
            }
            let text = line.trim();
            if self.tty {
                self.print(OutputStream::Stdout, &format!("$ {text}\n")).await;
            }
            if let Some(code) = text.strip_prefix("exit") {
                return code.trim().parse().unwrap_or(last);
            }
            let program = self.parse(&["sh".to_owned(), "-c".to_owned(), text.to_owned()]);
            last = Box::pin(self.steps(&program)).await;
        }
    }
}

pub(super) fn exec(engine: &SimEngine, name: &str, spec: &ExecSpec) -> Result<ExecSession> {
    if spec.command.is_empty() {
        return Err(DriverError::invalid("a command is needed"));
    }
    let record = engine.state().container(name)?.clone();
    if record.status != ContainerStatus::Running {
        return Err(DriverError::conflict(format!("container {name} does not run")));
    }
    let (input, inside) = tokio::io::duplex(64 * 1024);
    let (sender, receiver) = mpsc::channel(64);
    let shared = Arc::new(Shared {
        size: Mutex::new(spec.size.unwrap_or(TerminalSize { columns: 80, rows: 24 })),
        exit: watch::Sender::new(None),
    });
    let mut env = spec.env.clone();
    env.extend(record.spec.env.iter().cloned());
    let mut run = Run {
        shared: shared.clone(),
        output: sender,
        input: BufReader::new(inside),
        env,
        hostname: record.spec.hostname.clone().unwrap_or_else(|| record.id.clone()),
        tty: spec.tty,
    };
    let program = run.parse(&spec.command);
    let (engine, name) = (engine.clone(), name.to_owned());
    tokio::spawn(async move {
        let ended = engine.until(|engine| !engine.is_live(&name));
        let code = tokio::select! {
            code = run.steps(&program) => code,
            // Whatever runs inside dies with its container.
            _ = ended => 137,
        };
        run.shared.exit.send_replace(Some(code));
    });
    let output =
        stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|chunk| (chunk, receiver)) });
    Ok(ExecSession { output: output.boxed(), input: Box::pin(input), control: Arc::new(SimExec(shared)) })
}

/// Answers every HTTP request with the container's name, the method and the path.
pub(super) fn web_server(record: &Record) -> Box<dyn AsyncReadWrite> {
    let (outside, inside) = tokio::io::duplex(64 * 1024);
    let name = record.spec.name.clone();
    tokio::spawn(async move {
        let (reader, mut writer) = tokio::io::split(inside);
        let mut reader = BufReader::new(reader);
        loop {
            let mut first = String::new();
            let mut length = 0_u64;
            loop {
                let mut line = String::new();
                if !matches!(reader.read_line(&mut line).await, Ok(1..)) {
                    return;
                }
                if first.is_empty() {
                    first.clone_from(&line);
                }
                if let Some((key, value)) = line.split_once(':')
                    && key.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap_or(0);
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = (&mut reader).take(length);
            if tokio::io::copy(&mut body, &mut tokio::io::sink()).await.is_err() {
                return;
            }
            let request = first.trim().rsplit_once(' ').map_or(first.trim(), |(request, _)| request);
            let text = format!("simulated {name}: {request}\n");
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            if writer.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    Box::new(outside)
}

pub(super) fn events(
    engine: SimEngine,
    filter: LabelFilter,
    past: Vec<EngineEvent>,
    receiver: broadcast::Receiver<EngineEvent>,
) -> BoxStream<'static, Result<EngineEvent>> {
    let wanted = filter.clone();
    let past = stream::iter(past.into_iter().filter(move |event| wanted.matches(&event.labels)).map(Ok));
    let coming = stream::try_unfold((engine, receiver, filter), |(engine, mut receiver, filter)| async move {
        loop {
            let event = tokio::select! {
                biased;
                event = receiver.recv() => event,
                () = engine.until(SimEngine::is_away) => {
                    return Err(DriverError::unavailable("the simulated engine went away"));
                }
            };
            match event {
                Ok(event) if filter.matches(&event.labels) => return Ok(Some((event, (engine, receiver, filter)))),
                Ok(_) => {}
                Err(error) => return Err(DriverError::unavailable(format!("events were lost: {error}"))),
            }
        }
    });
    past.chain(coming).boxed()
}
