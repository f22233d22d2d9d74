//! The person's terminal: passwords without echo, and a session's terminal in raw mode.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use berth_client::{Client, Message};
use berth_types::sessions::Ticket;
use futures::{SinkExt, StreamExt};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use serde::Deserialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::failure::{Exit, Failure};
use crate::output::{note, write};

const PING_EVERY: Duration = Duration::from_secs(20);
const GIVE_UP_AFTER: Duration = Duration::from_secs(70);

/// Gives a terminal its modes back when dropped.
struct Restore {
    terminal: OwnedFd,
    modes: Termios,
}

impl Restore {
    fn after(terminal: impl AsFd, change: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let modes = tcgetattr(&terminal)?;
        let mut changed = modes.clone();
        change(&mut changed);
        tcsetattr(&terminal, OptionalActions::Flush, &changed)?;
        Ok(Self { terminal, modes })
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.modes);
    }
}

/// Asks on the terminal itself, whatever stdin and stdout are.
pub fn prompt(question: &str, secret: bool) -> anyhow::Result<String> {
    let mut terminal = match File::options().read(true).write(true).open("/dev/tty") {
        Ok(terminal) => terminal,
        Err(_) => {
            return Err(Failure::usage(format!("{question} is missing, and there is no terminal to ask on")));
        }
    };
    write!(terminal, "{question}: ")?;
    terminal.flush()?;
    // Signals off as well: Ctrl-C must not leave a terminal behind that shows nothing of what is typed.
    let restore = Restore::after(&terminal, |modes| {
        if secret {
            modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        }
    })?;
    let line = read_line(&mut terminal);
    drop(restore);
    if secret {
        writeln!(terminal)?;
    }
    line?.ok_or_else(|| Failure::error("cancelled"))
}

/// One line as typed, with backspace and Ctrl-U; `None` when it was given up by Ctrl-C or Ctrl-D.
fn read_line(from: &mut impl Read) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        if from.read(&mut byte)? == 0 {
            return Ok(None);
        }
        match byte[0] {
            b'\n' | b'\r' => return String::from_utf8(line).map(Some).map_err(io::Error::other),
            3 => return Ok(None),
            4 if line.is_empty() => return Ok(None),
            8 | 127 => {
                // A character may have several bytes: those that continue go first.
                while line.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
            }
            21 => line.clear(),
            byte => line.push(byte),
        }
    }
}

/// Reads `count` lines from stdin, without their ends.
pub fn lines_of_stdin<const COUNT: usize>(what: [&str; COUNT]) -> anyhow::Result<[String; COUNT]> {
    let mut lines = io::stdin().lines();
    let mut read = what.map(str::to_owned);
    for slot in &mut read {
        match lines.next().transpose()? {
            Some(line) => *slot = line.trim_end_matches('\r').to_owned(),
            None => return Err(Failure::usage(format!("stdin ended before {slot}"))),
        }
    }
    Ok(read)
}

/// Asks twice for a new password.
pub fn new_password(question: &str) -> anyhow::Result<String> {
    let first = prompt(question, true)?;
    if prompt(&format!("{question} (again)"), true)? != first {
        return Err(Failure::error("the two passwords differ"));
    }
    Ok(first)
}

/// Asks for a yes before something is destroyed. Without a terminal the answer must have been given by `--yes`.
pub fn confirm(yes: bool, question: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question} Say so with --yes, there is no terminal to ask on.")));
    }
    let answer = prompt(&format!("{question} [y/N]"), false)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::error("not confirmed, nothing was done"))
    }
}

/// The server's last words on a terminal.
#[derive(Deserialize)]
struct Ended {
    /// Absent when the engine does not know it.
    exit_code: Option<i64>,
}

enum Input {
    Bytes(Vec<u8>),
    Detach,
    End,
}

/// Joins this terminal with a session's until the command there ends; returns its exit code.
pub async fn attach(client: &Client, ticket: &Ticket) -> anyhow::Result<i32> {
    let (mut sink, mut source) = client.open_web_socket(ticket).await?.split();
    let interactive = io::stdin().is_terminal();
    let _restore = if interactive {
        note("Connected. Enter, then ~. leaves; what runs there goes on only if it can do without a terminal.");
        Some(Restore::after(io::stdin(), Termios::make_raw)?)
    } else {
        None
    };
    let mut resized = signal(SignalKind::window_change())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    let mut input = read_stdin(interactive);
    let mut open_input = true;
    let mut tick = interval(PING_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut ended_with = None;
    // A failed send is not the end: what the server said before it went, its exit code above all, is still to be read.
    let mut sending = true;
    if interactive {
        sending = sink.send(size_frame()).await.is_ok();
    }
    loop {
        tokio::select! {
            message = source.next() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Binary(bytes))) => write(&mut io::stdout().lock(), &bytes)?,
                    Some(Ok(Message::Text(text))) => {
                        if let Ok(ended) = serde_json::from_str::<Ended>(&text) {
                            ended_with = Some(ended.exit_code);
                        }
                    }
                    Some(Ok(Message::Close(_))) | None => break,
                    Some(Ok(_)) => {}
                    Some(Err(_)) if ended_with.is_some() => break,
                    Some(Err(error)) => return Err(closed(error)),
                }
            }
            chunk = input.recv(), if open_input && sending => match chunk {
                Some(Input::Bytes(bytes)) => sending = sink.send(Message::Binary(bytes.into())).await.is_ok(),
                Some(Input::Detach) => {
                    let _ = sink.close().await;
                    return Ok(0);
                }
                // As a person would end the input: Ctrl-D.
                Some(Input::End) => {
                    let _ = sink.send(Message::Binary(vec![4].into())).await;
                    open_input = false;
                }
                None => open_input = false,
            },
            _ = resized.recv(), if interactive && sending => sending = sink.send(size_frame()).await.is_ok(),
            _ = terminated.recv() => return Ok(143),
            _ = hung_up.recv() => return Ok(129),
            _ = tick.tick() => {
                if heard.elapsed() > GIVE_UP_AFTER {
                    return Err(Failure::of(Exit::Unavailable, "the server has fallen silent"));
                }
                let _ = sink.send(Message::Ping(Vec::new().into())).await;
            }
        }
    }
    match ended_with {
        Some(Some(code)) => Ok((code & 0xFF) as i32),
        Some(None) => Err(Failure::error("the command ended, and its exit code is not known")),
        None => Err(Failure::of(Exit::Unavailable, "the terminal was closed before its command ended")),
    }
}

fn closed(error: impl std::fmt::Display) -> anyhow::Error {
    Failure::of(Exit::Unavailable, format!("the connection to the terminal broke: {error}"))
}

fn size_frame() -> Message {
    let (cols, rows) = tcgetwinsize(io::stdin()).map_or((80, 24), |size| (size.ws_col.max(1), size.ws_row.max(1)));
    Message::text(format!("{{\"resize\":{{\"cols\":{cols},\"rows\":{rows}}}}}"))
}

/// Reading stdin cannot be cancelled, so it has a thread of its own, which ends with the process.
fn read_stdin(interactive: bool) -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut escape = Escape::default();
        let mut buffer = [0; 4096];
        loop {
            let read = match io::stdin().lock().read(&mut buffer) {
                Ok(0) | Err(_) => {
                    let _ = sender.blocking_send(Input::End);
                    return;
                }
                Ok(read) => &buffer[..read],
            };
            let (bytes, leave) = if interactive { escape.feed(read) } else { (read.to_vec(), false) };
            if !bytes.is_empty() && sender.blocking_send(Input::Bytes(bytes)).is_err() {
                return;
            }
            if leave {
                let _ = sender.blocking_send(Input::Detach);
                return;
            }
        }
    });
    receiver
}

/// `~.` at the beginning of a line leaves, as in ssh; `~~` is one `~`.
#[derive(Default)]
enum Escape {
    #[default]
    LineStart,
    Line,
    Tilde,
}

impl Escape {
    fn feed(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            match (&self, byte) {
                (Self::LineStart, b'~') => {
                    *self = Self::Tilde;
                    continue;
                }
                (Self::Tilde, b'.') => return (out, true),
                (Self::Tilde, b'~') => {}
                (Self::Tilde, _) => out.push(b'~'),
                _ => {}
            }
            out.push(byte);
            *self = if matches!(byte, b'\r' | b'\n') { Self::LineStart } else { Self::Line };
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &[u8]) -> Option<String> {
        read_line(&mut &*text).unwrap()
    }

    #[test]
    fn passwords_can_be_corrected() {
        assert_eq!(typed(b"secret\n").as_deref(), Some("secret"));
        assert_eq!(typed("gehe\u{e9}\u{7f}im\r".as_bytes()).as_deref(), Some("geheim"));
        assert_eq!(typed(b"wrong\x15right\n").as_deref(), Some("right"));
        assert_eq!(typed(b"\x7f\x7fa\n").as_deref(), Some("a"));
        assert_eq!(typed(b"half\x03"), None);
        assert_eq!(typed(b"\x04"), None);
    }

    #[test]
    fn tilde_dot_leaves_only_at_the_beginning_of_a_line() {
        let run = |chunks: &[&[u8]]| {
            let mut escape = Escape::default();
            let mut out = Vec::new();
            for chunk in chunks {
                let (bytes, leave) = escape.feed(chunk);
                out.extend(bytes);
                if leave {
                    return (String::from_utf8(out).unwrap(), true);
                }
            }
            (String::from_utf8(out).unwrap(), false)
        };
        assert_eq!(run(&[b"~."]), (String::new(), true));
        assert_eq!(run(&[b"ls\r", b"~", b"."]), ("ls\r".to_owned(), true));
        assert_eq!(run(&[b"cd ~.\r"]), ("cd ~.\r".to_owned(), false));
        assert_eq!(run(&[b"~~.\r"]), ("~.\r".to_owned(), false));
        assert_eq!(run(&[b"~a\r"]), ("~a\r".to_owned(), false));
        assert_eq!(run(&[b"~\r~."]), ("~\r".to_owned(), true));
    }
}
