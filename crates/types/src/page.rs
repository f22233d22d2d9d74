//! Cursor pagination: a page costs the same wherever it lies, and rows that arrive meanwhile are not shown twice.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows returned when the caller names no `limit`.
pub const DEFAULT_LIMIT: u64 = 100;
/// The most rows one page may hold.
pub const MAX_LIMIT: u64 = 500;

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }
}
