//! Walking a list page by page.

use std::future::Future;

use berth_types::page::{MAX_LIMIT, Page};

use crate::Result;

/// Fetches pages until `max` rows are there (0: all) or the list ends. The page returned holds a cursor when rows remain.
///
/// # Errors
/// Those of `fetch`, which is called with the size of the page wanted and the cursor.
pub async fn collect<T, F, Fut>(max: u64, mut fetch: F) -> Result<Page<T>>
where
    F: FnMut(u64, Option<String>) -> Fut,
    Fut: Future<Output = Result<Page<T>>>,
{
    let mut all = Page { items: Vec::new(), next_cursor: None };
    loop {
        let missing = if max == 0 { MAX_LIMIT } else { max - all.items.len() as u64 };
        let page = fetch(missing.min(MAX_LIMIT), all.next_cursor.take()).await?;
        all.items.extend(page.items);
        all.next_cursor = page.next_cursor;
        if all.next_cursor.is_none() || (max != 0 && all.items.len() as u64 >= max) {
            return Ok(all);
        }
    }
}
