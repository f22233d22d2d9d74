//! What a simulated container does: a few words of shell, read once into steps whose timing is known beforehand. So the
//! log at any moment follows from how long the container has run, and nothing of it has to be stored.

use std::time::Duration;

use crate::container::OutputStream;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Print(OutputStream, String),
    /// `stty size`.
    PrintTerminalSize,
    /// Copies input to output until its end; for commands run inside only.
    Cat,
    /// Reads commands from the input until its end; for commands run inside only.
    Shell,
    Sleep(Duration),
    Exit(i64),
    OutOfMemory,
    Forever,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Program {
    pub steps: Vec<Step>,
    /// Has to be killed after the grace.
    pub ignores_term: bool,
}

/// How a program ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub after: Duration,
    pub exit_code: i64,
    pub out_of_memory: bool,
}

/// What the words may refer to.
pub(super) struct Surroundings<'a> {
    pub env: &'a [(String, String)],
    pub hostname: &'a str,
    /// Whether somebody may type.
    pub interactive: bool,
    /// Whether an unknown word is an application that runs for ever (a container's command) or a mistake (a command
    /// run inside).
    pub applications: bool,
}

impl Program {
    pub(super) fn parse(command: &[String], around: &Surroundings<'_>) -> Self {
        let mut program = Self::default();
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => program.steps.push(Step::Forever),
            [shell, flag, script, ..] if is_shell(shell) && flag.starts_with('-') && flag.contains('c') => {
                program.script(script, around);
            }
            [shell, ..] if is_shell(shell) => {
                program.steps.push(match (around.applications, around.interactive) {
                    (true, true) => Step::Forever,
                    (true, false) => Step::Exit(0),
                    (false, _) => Step::Shell,
                });
            }
            words => program.statement(words, around),
        }
        if !matches!(program.steps.last(), Some(Step::Exit(_) | Step::OutOfMemory | Step::Forever)) {
            program.steps.push(Step::Exit(0));
        }
        program
    }

    fn script(&mut self, script: &str, around: &Surroundings<'_>) {
        let script = script.replace("&&", ";").replace('\n', ";");
        let mut statements = script.split(';').map(str::trim).filter(|text| !text.is_empty());
        while let Some(statement) = statements.next() {
            if self.is_over() {
                return;
            }
            let text = statement.strip_prefix("do ").unwrap_or(statement);
            if text.starts_with("while true") || text.starts_with("while :") {
                self.steps.push(Step::Forever);
            } else if let Some((variable, values)) = text.strip_prefix("for ").and_then(|text| text.split_once(" in "))
            {
                let body: Vec<&str> = statements.by_ref().take_while(|text| *text != "done").collect();
                for value in values.split_whitespace() {
                    for line in &body {
                        let line = line.strip_prefix("do ").unwrap_or(line);
                        let line = line.replace(&format!("${variable}"), value);
                        self.line(&line, around);
                    }
                }
            } else {
                self.line(text, around);
            }
        }
    }

    fn line(&mut self, text: &str, around: &Surroundings<'_>) {
        let words = split_words(text, around.env);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if !self.is_over() {
            self.statement(&words, around);
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Exit(_) | Step::OutOfMemory | Step::Forever))
    }

    fn statement(&mut self, words: &[&str], around: &Surroundings<'_>) {
        let step = match words {
            [] | ["true" | ":"] => return,
            ["exec", rest @ ..] => return self.statement(rest, around),
            ["trap", _, "TERM" | "SIGTERM", ..] => {
                self.ignores_term = true;
                return;
            }
            ["echo", rest @ ..] => {
                let (stream, rest) = match rest {
                    [rest @ .., ">&2"] => (OutputStream::Stderr, rest),
                    rest => (OutputStream::Stdout, rest),
                };
                Step::Print(stream, format!("{}\n", rest.join(" ")))
            }
            ["sleep", "infinity"] => Step::Forever,
            ["sleep", seconds] => match seconds.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok()) {
                Some(time) => Step::Sleep(time),
                None => Step::Exit(1),
            },
            ["exit"] => Step::Exit(0),
            ["exit", code] => Step::Exit(code.parse().unwrap_or(2)),
            ["false"] => Step::Exit(1),
            ["hostname"] => Step::Print(OutputStream::Stdout, format!("{}\n", around.hostname)),
            ["printenv", name] => match around.env.iter().find(|(key, _)| key == name) {
                Some((_, value)) => Step::Print(OutputStream::Stdout, format!("{value}\n")),
                None => Step::Exit(1),
            },
            ["stty", "size"] => Step::PrintTerminalSize,
            ["cat"] => Step::Cat,
            ["tail", "/dev/zero"] => Step::OutOfMemory,
            _ if around.applications => Step::Forever,
            [word, ..] => {
                self.steps.push(Step::Print(OutputStream::Stderr, format!("sh: {word}: not found\n")));
                Step::Exit(127)
            }
        };
        self.steps.push(step);
    }

    /// Where it prints what, and when it ends. `None` when it never does.
    pub(super) fn end(&self) -> Option<End> {
        let mut after = Duration::ZERO;
        for step in &self.steps {
            match step {
                Step::Sleep(time) => after += *time,
                Step::Exit(code) => {
                    return Some(End { after, exit_code: *code, out_of_memory: false });
                }
                Step::OutOfMemory => {
                    return Some(End { after, exit_code: 137, out_of_memory: true });
                }
                Step::Forever => return None,
                _ => {}
            }
        }
        Some(End { after, exit_code: 0, out_of_memory: false })
    }

    /// All that it prints by itself, each with its time since the start.
    pub(super) fn output(&self) -> Vec<(Duration, OutputStream, &str)> {
        let mut at = Duration::ZERO;
        let mut lines = Vec::new();
        for step in &self.steps {
            match step {
                Step::Sleep(time) => at += *time,
                Step::Print(stream, text) => lines.push((at, *stream, text.as_str())),
                Step::Exit(_) | Step::OutOfMemory | Step::Forever => break,
                _ => {}
            }
        }
        lines
    }
}

fn is_shell(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("sh" | "ash" | "bash" | "dash"))
}

/// Words with quotes taken off and `$NAME` filled in.
fn split_words(text: &str, env: &[(String, String)]) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None | Some('"'), '$') => {
                let braced = chars.next_if_eq(&'{').is_some();
                let mut name = String::new();
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                if braced {
                    chars.next_if_eq(&'}');
                }
                let value = env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
                word.get_or_insert_default().push_str(value.unwrap_or_default());
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(words: &[&str]) -> Program {
        let command: Vec<_> = words.iter().map(ToString::to_string).collect();
        let env = [("NAME".to_owned(), "a b".to_owned())];
        Program::parse(&command, &Surroundings { env: &env, hostname: "host", interactive: false, applications: true })
    }

    #[test]
    fn scripts_have_known_timing() {
        let script = program(&["sh", "-c", "echo one; sleep 1.5; echo \"$NAME\" >&2; exit 3"]);
        assert_eq!(
            script.output(),
            [
                (Duration::ZERO, OutputStream::Stdout, "one\n"),
                (Duration::from_millis(1500), OutputStream::Stderr, "a b\n")
            ]
        );
        let end = script.end().unwrap();
        assert_eq!((end.after, end.exit_code), (Duration::from_millis(1500), 3));
        let looped = program(&["sh", "-c", "for i in 1 2; do echo n$i; sleep 1; done; exit 4"]);
        assert_eq!(looped.output().len(), 2);
        assert_eq!(looped.end().unwrap().after, Duration::from_secs(2));
        assert!(program(&["sh", "-c", "trap '' TERM; while true; do sleep 1; done"]).ignores_term);
        assert_eq!(program(&["jupyter", "lab"]).end(), None);
        assert_eq!(program(&[]).end(), None);
        assert!(program(&["tail", "/dev/zero"]).end().unwrap().out_of_memory);
    }
}
