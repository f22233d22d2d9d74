//! What commands print: tables for people, JSON or YAML for programs, progress on a terminal's stderr only.
//!
//! Nothing prints by `println!`, which panics when the reader of a pipe has gone.

use std::io::{self, IsTerminal, Write};

use berth_client::StreamItem;
use berth_types::{Timestamp, page::Page};
use chrono::Local;
use serde::Serialize;
use serde_yaml::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    // Aligned columns, times in the local zone. No doc comments here: they would make every --help long.
    #[default]
    Table,
    Json,
    Yaml,
}

/// A column: its heading, and what it shows of a row.
pub type Column<T> = (&'static str, fn(&T) -> String);

#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub format: Format,
}

impl Output {
    /// Rows of a list; says on stderr when there are more.
    pub fn list<T: Serialize>(self, page: &Page<T>, columns: &[Column<T>]) -> anyhow::Result<()> {
        self.rows(&page.items, columns)?;
        if page.next_cursor.is_some() {
            note(&format!("Only the first {} are shown; --limit 0 shows all.", page.items.len()));
        }
        Ok(())
    }

    pub fn rows<T: Serialize>(self, rows: &[T], columns: &[Column<T>]) -> anyhow::Result<()> {
        match self.format {
            Format::Table => {
                let header = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
                let body = rows.iter().map(|row| columns.iter().map(|(_, cell)| cell(row)).collect()).collect();
                print(&table(header, body))
            }
            _ => self.document(&rows),
        }
    }

    /// One thing with all that is known of it.
    pub fn show<T: Serialize>(self, thing: &T) -> anyhow::Result<()> {
        match self.format {
            Format::Table => print(&sheet(&serde_yaml::to_value(thing)?)),
            _ => self.document(thing),
        }
    }

    /// A result that a person reads as one sentence and a program as a document.
    pub fn say<T: Serialize>(self, thing: &T, sentence: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Table => print(&format!("{}\n", printable(sentence))),
            _ => self.document(thing),
        }
    }

    /// A sentence about something that left nothing to show.
    pub fn done(self, sentence: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Table => print(&format!("{}\n", printable(sentence))),
            _ => Ok(()),
        }
    }

    /// One event of a stream: a line of text or of JSON, so that it can be piped as it comes.
    pub fn item(self, item: &StreamItem) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Table => {
                let id = item.id.map(|id| id.to_string()).unwrap_or_default();
                let rest: Vec<_> = item.rest.iter().map(|(key, value)| format!("{key}={}", json_word(value))).collect();
                format!("{:<9}  {id}  {}\n", item.kind, printable(&rest.join(" ")))
            }
            Format::Json => serde_json::to_string(item)? + "\n",
            Format::Yaml => format!("---\n{}", serde_yaml::to_string(item)?),
        };
        print(&text)
    }

    fn document<T: Serialize>(self, thing: &T) -> anyhow::Result<()> {
        match self.format {
            Format::Yaml => print(&serde_yaml::to_string(thing)?),
            _ => print(&(serde_json::to_string_pretty(thing)? + "\n")),
        }
    }
}

pub fn print(text: &str) -> anyhow::Result<()> {
    write(&mut io::stdout().lock(), text.as_bytes())
}

pub fn write(to: &mut impl Write, bytes: &[u8]) -> anyhow::Result<()> {
    to.write_all(bytes)?;
    Ok(to.flush()?)
}

/// A remark beside the result.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A moment in the reader's own zone.
pub fn local(time: Timestamp) -> String {
    time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

pub fn maybe<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

pub fn maybe_local(time: Option<Timestamp>) -> String {
    time.map(local).unwrap_or_default()
}

/// At most three decimals, without zeros at the end.
pub fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `allocated/total`
pub fn part(allocated: f64, total: f64) -> String {
    format!("{}/{}", number(allocated), number(total))
}

fn json_word(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Without control characters: names and messages come from others, and could otherwise steer the reader's terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Columns two spaces apart, the last one not padded.
fn table(header: Vec<String>, body: Vec<Vec<String>>) -> String {
    let rows: Vec<Vec<String>> =
        std::iter::once(header).chain(body).map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `name  value` lines of one thing in the order of its fields; lists of things follow as tables of their own.
fn sheet(value: &Value) -> String {
    let mut lines = Vec::new();
    let mut tables = Vec::new();
    collect(String::new(), value, &mut lines, &mut tables);
    let width = lines.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in lines {
        let line = format!("{name}{}  {}", " ".repeat(width - name.width()), printable(&value));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for (name, rows) in tables {
        let mut header: Vec<String> = Vec::new();
        for key in rows.iter().filter_map(Value::as_mapping).flat_map(|row| row.keys()).map(word) {
            if !header.contains(&key) {
                header.push(key);
            }
        }
        let cell = |row: &Value, key: &String| row.get(key.as_str()).map(flat).unwrap_or_default();
        let body: Vec<Vec<String>> = rows.iter().map(|row| header.iter().map(|key| cell(row, key)).collect()).collect();
        // A column that is empty in every row says nothing.
        let kept: Vec<usize> =
            (0..header.len()).filter(|&column| body.iter().any(|row| !row[column].is_empty())).collect();
        let header = kept.iter().map(|&column| header[column].to_uppercase()).collect();
        let body = body.iter().map(|row| kept.iter().map(|&column| row[column].clone()).collect()).collect();
        text.push_str(&format!("\n{name}:\n{}", table(header, body)));
    }
    text
}

fn collect(name: String, value: &Value, lines: &mut Vec<(String, String)>, tables: &mut Vec<(String, Vec<Value>)>) {
    match value {
        Value::Null => {}
        Value::Mapping(map) => {
            for (key, value) in map {
                let key = word(key);
                collect(if name.is_empty() { key } else { format!("{name}.{key}") }, value, lines, tables);
            }
        }
        Value::Sequence(items) if items.is_empty() => {}
        // Words of a command line are read as one.
        Value::Sequence(items) if matches!(name.as_str(), "command" | "shell") => {
            let words: Vec<_> = items.iter().map(flat).collect();
            lines.push((name, words.join(" ")));
        }
        Value::Sequence(items) if items.iter().all(Value::is_mapping) => tables.push((name, items.clone())),
        other => lines.push((name, flat(other))),
    }
}

/// A value in one cell.
fn flat(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Sequence(items) => items.iter().map(flat).collect::<Vec<_>>().join(", "),
        Value::Mapping(map) => {
            map.iter().map(|(key, value)| format!("{}={}", word(key), flat(value))).collect::<Vec<_>>().join(" ")
        }
        other => word(other),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(n) if n.is_f64() => n.as_f64().map(number).unwrap_or_default(),
        Value::Number(n) => n.to_string(),
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(time) if text.contains('T') => local(time),
            _ => text.clone(),
        },
        _ => String::new(),
    }
}

/// One line on stderr that is rewritten while something long goes on; nothing at all when stderr is no terminal.
pub struct Progress {
    terminal: bool,
    shown: String,
}

impl Progress {
    pub fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), shown: String::new() }
    }

    pub fn show(&mut self, text: &str) {
        if self.terminal && text != self.shown {
            let width = rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| usize::from(size.ws_col.max(20)));
            let _ = write!(io::stderr().lock(), "\r\x1b[K{}", cut(&printable(text), width - 1));
            text.clone_into(&mut self.shown);
        }
    }

    pub fn clear(&mut self) {
        if !self.shown.is_empty() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
            self.shown.clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The beginning of a text that fits into so many columns.
fn cut(text: &str, columns: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn tables_align_wide_characters_and_keep_escapes_out() {
        let body = words(&[&["边缘", "running"], &["a", "\x1b[31mred"]]);
        let text = table(vec!["NAME".to_owned(), "STATUS".to_owned()], body);
        assert_eq!(text, "NAME  STATUS\n边缘  running\na      [31mred\n");
    }

    #[test]
    fn sheets_keep_order_skip_nothing_known_and_nest() {
        #[derive(Serialize)]
        struct Thing {
            name: &'static str,
            cpu: f64,
            none: Option<i32>,
            labels: std::collections::BTreeMap<&'static str, &'static str>,
            words: Vec<&'static str>,
            command: Vec<&'static str>,
            parts: Vec<std::collections::BTreeMap<&'static str, i32>>,
            empty: Vec<i32>,
            on: bool,
        }
        let thing = Thing {
            name: "n",
            cpu: 0.25,
            none: None,
            labels: [("zone", "a")].into(),
            words: vec!["x", "y"],
            command: vec!["sleep", "1"],
            parts: vec![[("a", 1)].into(), [("a", 22), ("b", 3)].into()],
            empty: vec![],
            on: true,
        };
        let text = sheet(&serde_yaml::to_value(&thing).unwrap());
        assert_eq!(
            text,
            "name         n\ncpu          0.25\nlabels.zone  a\nwords        x, y\ncommand      sleep 1\non           yes\n\nparts:\nA   B\n1\n22  3\n"
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            (number(2.0), number(0.25), number(1.0 / 3.0), number(0.0)),
            ("2".into(), "0.25".into(), "0.333".into(), "0".into())
        );
    }

    #[test]
    fn times_are_shown_in_the_local_zone_and_other_text_as_it_is() {
        let time: Timestamp = "2026-11-21T03:30:00Z".parse().unwrap();
        assert_eq!(word(&Value::from("2026-11-21T03:30:00Z")), local(time));
        assert_eq!(word(&Value::from("2026-11-21")), "2026-11-21");
    }

    #[test]
    fn progress_fits_the_line() {
        assert_eq!(cut("边缘边缘", 5), "边缘");
        assert_eq!(cut("abc", 5), "abc");
    }
}
