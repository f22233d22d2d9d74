//! Checks of incoming values: every fault is collected, so that one answer names them all.

use crate::{Error, FieldError, StringMap, quantities};

/// Collects wrong values; [`Checker::finish`] turns them into one 422.
#[derive(Debug, Default)]
pub struct Checker {
    faults: Vec<FieldError>,
}

impl Checker {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.faults.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    pub fn require(&mut self, ok: bool, field: &str, message: &str) {
        if !ok {
            self.fault(field, message);
        }
    }

    /// A name people read: 1 to 63 characters, no control characters, no space at either end.
    pub fn name(&mut self, field: &str, value: &str) {
        let length = value.chars().count();
        if length == 0 || length > 63 {
            self.fault(field, "must have 1 to 63 characters");
        } else if value.chars().any(char::is_control) || value.trim() != value {
            self.fault(field, "must not contain control characters or begin or end with a space");
        }
    }

    /// A name machines use: lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
    pub fn slug(&mut self, field: &str, value: &str) {
        let ok = (1..=63).contains(&value.len())
            && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
            && value.starts_with(|c: char| c.is_ascii_alphanumeric());
        self.require(ok, field, "must have 1 to 63 of a-z, 0-9, '-', '_', '.', beginning with a letter or digit");
    }

    /// Free text of at most `max` characters without control characters other than line breaks and tabs.
    pub fn text(&mut self, field: &str, value: &str, max: usize) {
        if value.chars().count() > max {
            self.fault(field, format!("must have at most {max} characters"));
        } else if value.chars().any(|c| c.is_control() && c != '\n' && c != '\t' && c != '\r') {
            self.fault(field, "must not contain control characters");
        }
    }

    /// A number within bounds, both included.
    pub fn range<T: PartialOrd + std::fmt::Display>(&mut self, field: &str, value: T, low: T, high: T) {
        if !(value >= low && value <= high) {
            self.fault(field, format!("must be from {low} to {high}"));
        }
    }

    /// Cores to millicores; a fault and 0 when out of range.
    pub fn cores(&mut self, field: &str, cores: f64) -> i64 {
        self.amount(field, quantities::cores_to_millicores(cores))
    }

    /// GB to MiB; a fault and 0 when out of range.
    pub fn gb(&mut self, field: &str, gb: f64) -> i64 {
        self.amount(field, quantities::gb_to_mib(gb))
    }

    fn amount(&mut self, field: &str, amount: Option<i64>) -> i64 {
        amount.unwrap_or_else(|| {
            self.fault(field, "must be a number from 0 up to a million million");
            0
        })
    }

    /// An open map: at most 64 entries, keys of 1 to 63 of `a-zA-Z0-9-_./`, values of at most 255 characters.
    pub fn string_map(&mut self, field: &str, map: &StringMap) {
        if map.len() > 64 {
            self.fault(field, "must have at most 64 entries");
        }
        for (key, value) in map {
            let ok =
                (1..=63).contains(&key.len()) && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
            if !ok {
                self.fault(field, format!("key {key:?} must have 1 to 63 of letters, digits, '-', '_', '.', '/'"));
            }
            self.text(&format!("{field}.{key}"), value, 255);
        }
    }

    /// # Errors
    /// `invalid_value` naming every fault collected.
    pub fn finish(self) -> Result<(), Error> {
        if self.faults.is_empty() { Ok(()) } else { Err(Error::invalid_fields(self.faults)) }
    }
}
