//! Keyset pagination: a cursor names the last row shown by its sort key and id, so a page costs the same wherever it
//! lies and rows that arrive meanwhile are not shown twice.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use berth_types::{
    Timestamp,
    page::{DEFAULT_LIMIT, MAX_LIMIT, Page},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{ExprTrait, SimpleExpr, Value},
};
use uuid::Uuid;

use crate::{Result, StoreError};

/// Where in which list a page begins, and how long it may be.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// 1 to 500; absent: 100.
    pub limit: Option<u64>,
    pub cursor: Option<String>,
}

impl PageRequest {
    pub fn new(limit: Option<u64>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    pub fn limit(&self) -> u64 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }
}

/// Whether a list runs upwards or downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// What a list is sorted by before the id, as kept in a cursor.
pub trait SortKey: Into<Value> + Clone + Send {
    fn encode(&self) -> String;
    fn decode(text: &str) -> Option<Self>;
}

impl SortKey for Timestamp {
    fn encode(&self) -> String {
        self.timestamp_micros().to_string()
    }

    fn decode(text: &str) -> Option<Self> {
        Self::from_timestamp_micros(text.parse().ok()?)
    }
}

impl SortKey for String {
    fn encode(&self) -> String {
        self.clone()
    }

    fn decode(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl SortKey for Uuid {
    fn encode(&self) -> String {
        self.simple().to_string()
    }

    fn decode(text: &str) -> Option<Self> {
        Self::parse_str(text).ok()
    }
}

/// The opaque text that names a row.
pub fn encode_cursor(key: &impl SortKey, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", id.simple(), key.encode()))
}

/// # Errors
/// `InvalidFilter` when it is none of ours.
pub fn decode_cursor<K: SortKey>(text: &str) -> Result<(K, Uuid)> {
    let decode = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (id, key) = text.split_once('.')?;
        Some((K::decode(key)?, Uuid::parse_str(id).ok()?))
    };
    decode().ok_or_else(|| StoreError::InvalidFilter {
        field: "cursor",
        message: "must be the next_cursor of the page before".to_owned(),
    })
}

/// Fetches one page of `select`, sorted by `key` and then `id`; `of` tells both of a row.
///
/// # Errors
/// `InvalidFilter`, `Unavailable`.
pub async fn fetch<E, K>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    request: &PageRequest,
    (key, id): (E::Column, E::Column),
    direction: Direction,
    of: impl Fn(&E::Model) -> (K, Uuid),
) -> Result<Page<E::Model>>
where
    E: EntityTrait,
    K: SortKey,
{
    let limit = request.limit();
    let mut select = match direction {
        Direction::Ascending => select.order_by_asc(key).order_by_asc(id),
        Direction::Descending => select.order_by_desc(key).order_by_desc(id),
    };
    if let Some(cursor) = &request.cursor {
        let (last_key, last_id) = decode_cursor::<K>(cursor)?;
        select = select.filter(beyond(key, id, last_key, last_id, direction));
    }
    let mut items = select.limit(limit + 1).all(db).await?;
    let more = items.len() as u64 > limit;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| more).map(|last| {
        let (key, id) = of(last);
        encode_cursor(&key, id)
    });
    Ok(Page { items, next_cursor })
}

/// `(key, id) > (last_key, last_id)` or `<`. The bound on `key` alone comes first and redundantly: it is what both
/// planners turn into a range of the index.
fn beyond<C: ColumnTrait, K: SortKey>(key: C, id: C, last_key: K, last_id: Uuid, direction: Direction) -> Condition {
    let column = |c: C| SimpleExpr::from(c.into_expr());
    let (bound, past_key, past_id) = match direction {
        Direction::Ascending => (column(key).gte(last_key.clone()), column(key).gt(last_key), column(id).gt(last_id)),
        Direction::Descending => (column(key).lte(last_key.clone()), column(key).lt(last_key), column(id).lt(last_id)),
    };
    Condition::all().add(bound).add(Condition::any().add(past_key).add(past_id))
}
