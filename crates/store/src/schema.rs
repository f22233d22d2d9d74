//! A small language for the tables of a migration. One text serves both databases: native enums and JSONB on
//! PostgreSQL; TEXT with CHECK on SQLite, which has neither. Foreign keys are made after all tables on PostgreSQL, since
//! tenants and users refer to each other, and inline on SQLite, which knows no other way.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveEnum, DbBackend, DbErr,
    sea_query::{
        Alias, ColumnDef, ConditionalStatement, Expr, ExprTrait, ForeignKey, ForeignKeyAction, Index,
        IndexCreateStatement, Table, TableCreateStatement, extension::postgres::Type,
    },
};
use sea_orm_migration::SchemaManager;

use crate::dialect;

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Uuid,
    Text,
    Bool,
    Int,
    BigInt,
    Double,
    /// UTC with microseconds. On SQLite RFC 3339 text, whose order as text is the order in time.
    Time,
    Json,
    Bytes,
    OneOf(String, Vec<String>),
}

/// A column that holds one of the enum's values.
pub(crate) fn one_of<E: ActiveEnum<Value = String>>() -> Kind {
    Kind::OneOf(E::name().to_string(), E::values())
}

/// Which rows an index covers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rows {
    All,
    /// Not deleted.
    Living,
    /// Operations that are not finished. Said by `finished_at IS NULL`, which planners can match against a query with
    /// parameters, and tied to the status by a CHECK; likewise `Active`.
    Open,
    /// Allocations that are not given back.
    Active,
    /// Audit rows the sealer has not seen.
    Unsealed,
    Null(&'static str),
    NotNull(&'static str),
}

#[derive(Clone, Debug)]
struct Column {
    name: &'static str,
    kind: Kind,
    optional: bool,
    primary: bool,
    not_negative: bool,
    references: Option<(&'static str, ForeignKeyAction)>,
}

/// One table with its keys and indexes.
#[derive(Clone, Debug)]
pub(crate) struct TableSpec {
    name: &'static str,
    columns: Vec<Column>,
    indexes: Vec<(bool, &'static [&'static str], Rows)>,
    checks: Vec<Expr>,
    unique_without_case: Vec<&'static str>,
}

pub(crate) fn table(name: &'static str) -> TableSpec {
    TableSpec { name, columns: Vec::new(), indexes: Vec::new(), checks: Vec::new(), unique_without_case: Vec::new() }
}

impl TableSpec {
    pub(crate) fn column(self, name: &'static str, kind: Kind) -> Self {
        self.add(name, kind, false)
    }

    /// A column that may be NULL.
    pub(crate) fn optional(self, name: &'static str, kind: Kind) -> Self {
        self.add(name, kind, true)
    }

    fn add(mut self, name: &'static str, kind: Kind, optional: bool) -> Self {
        self.columns.push(Column { name, kind, optional, primary: false, not_negative: false, references: None });
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Column)) -> Self {
        if let Some(column) = self.columns.last_mut() {
            change(column);
        }
        self
    }

    /// The last column is (part of) the primary key.
    pub(crate) fn primary(self) -> Self {
        self.last(|column| column.primary = true)
    }

    pub(crate) fn not_negative(self) -> Self {
        self.last(|column| column.not_negative = true)
    }

    /// The last column refers to `table.id`.
    pub(crate) fn references(self, table: &'static str, on_delete: ForeignKeyAction) -> Self {
        self.last(|column| column.references = Some((table, on_delete)))
    }

    pub(crate) fn index(mut self, columns: &'static [&'static str], rows: Rows) -> Self {
        self.indexes.push((false, columns, rows));
        self
    }

    /// The last column named is the one a violation is blamed on.
    pub(crate) fn unique(mut self, columns: &'static [&'static str], rows: Rows) -> Self {
        self.indexes.push((true, columns, rows));
        self
    }

    /// No two living rows have the same text in `column`, whatever its case.
    pub(crate) fn unique_without_case(mut self, column: &'static str) -> Self {
        self.unique_without_case.push(column);
        self
    }

    /// `column` is NULL exactly while `status` is one of `values`.
    pub(crate) fn null_while(mut self, column: &'static str, status: &'static str, values: &[&'static str]) -> Self {
        let open = Expr::col(Alias::new(status)).is_in(values.iter().copied());
        let null = Expr::col(Alias::new(column)).is_null();
        self.checks.push(null.eq(open));
        self
    }

    fn create(&self, backend: DbBackend) -> TableCreateStatement {
        let mut table = Table::create();
        table.table(Alias::new(self.name));
        for column in &self.columns {
            table.col(column.definition(backend));
        }
        for check in &self.checks {
            table.check(check.clone());
        }
        let mut key = Index::create();
        for column in self.columns.iter().filter(|column| column.primary) {
            key.col(Alias::new(column.name));
        }
        table.primary_key(&mut key);
        if backend == DbBackend::Sqlite {
            for column in &self.columns {
                if let Some(mut key) = column.foreign_key(self.name) {
                    table.foreign_key(&mut key);
                }
            }
        }
        table
    }

    fn index_statements(&self) -> impl Iterator<Item = IndexCreateStatement> + '_ {
        self.indexes.iter().map(|(unique, columns, rows)| {
            let mut index = Index::create();
            let suffix = match rows {
                Rows::All | Rows::Living => String::new(),
                Rows::Open => "_open".to_owned(),
                Rows::Active => "_active".to_owned(),
                Rows::Unsealed => "_unsealed".to_owned(),
                Rows::Null(column) => format!("_without_{column}"),
                Rows::NotNull(_) => String::new(),
            };
            let prefix = if *unique { "uq" } else { "ix" };
            // PostgreSQL cuts identifiers at 63 bytes; names stay below.
            index.name(format!("{prefix}_{}__{}{suffix}", self.name, columns.join("__"))).table(Alias::new(self.name));
            for column in *columns {
                index.col(Alias::new(*column));
            }
            if *unique {
                index.unique();
            }
            match rows {
                Rows::All => {}
                Rows::Living => {
                    index.and_where(Expr::col(Alias::new("deleted_at")).is_null());
                }
                Rows::Open => {
                    index.and_where(Expr::col(Alias::new("finished_at")).is_null());
                }
                Rows::Active => {
                    index.and_where(Expr::col(Alias::new("deallocation_time")).is_null());
                }
                Rows::Unsealed => {
                    index.and_where(Expr::col(Alias::new("hash")).is_null());
                }
                Rows::Null(column) => {
                    index.and_where(Expr::col(Alias::new(*column)).is_null());
                }
                Rows::NotNull(column) => {
                    index.and_where(Expr::col(Alias::new(*column)).is_not_null());
                }
            }
            index
        })
    }
}

impl Column {
    fn definition(&self, backend: DbBackend) -> ColumnDef {
        let mut column = ColumnDef::new(Alias::new(self.name));
        match &self.kind {
            Kind::Uuid => column.uuid(),
            Kind::Text => column.text(),
            Kind::Bool => column.boolean(),
            Kind::Int => column.integer(),
            Kind::BigInt => column.big_integer(),
            Kind::Double => column.double(),
            Kind::Time => column.timestamp_with_time_zone(),
            Kind::Json => column.json_binary(),
            Kind::Bytes => column.blob(),
            Kind::OneOf(name, values) if backend == DbBackend::Postgres => {
                column.enumeration(Alias::new(name), values.iter().map(Alias::new))
            }
            Kind::OneOf(_, values) => {
                column.text().check(Expr::col(Alias::new(self.name)).is_in(values.iter().map(String::as_str)))
            }
        };
        if !self.optional {
            column.not_null();
        }
        if self.not_negative {
            column.check(Expr::col(Alias::new(self.name)).gte(0));
        }
        column
    }

    fn foreign_key(&self, table: &'static str) -> Option<sea_orm::sea_query::ForeignKeyCreateStatement> {
        let (target, on_delete) = self.references.as_ref()?;
        let mut key = ForeignKey::create();
        key.name(format!("fk_{table}__{}", self.name))
            .from(Alias::new(table), Alias::new(self.name))
            .to(Alias::new(*target), Alias::new("id"))
            .on_delete(*on_delete);
        Some(key)
    }
}

/// Makes enum types, tables, indexes and foreign keys, in that order.
pub(crate) async fn create(manager: &SchemaManager<'_>, tables: &[TableSpec]) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    if backend == DbBackend::Postgres {
        let mut enums: BTreeMap<&str, &[String]> = BTreeMap::new();
        for column in tables.iter().flat_map(|table| &table.columns) {
            if let Kind::OneOf(name, values) = &column.kind {
                enums.insert(name, values);
            }
        }
        for (name, values) in enums {
            manager
                .create_type(Type::create().as_enum(Alias::new(name)).values(values.iter().map(Alias::new)).to_owned())
                .await?;
        }
    }
    for table in tables {
        manager.create_table(table.create(backend)).await?;
        for index in table.index_statements() {
            manager.create_index(index).await?;
        }
        for column in &table.unique_without_case {
            dialect::unique_without_case(manager.get_connection(), table.name, column).await?;
        }
    }
    if backend == DbBackend::Postgres {
        for table in tables {
            for column in &table.columns {
                if let Some(key) = column.foreign_key(table.name) {
                    manager.create_foreign_key(key).await?;
                }
            }
        }
    }
    Ok(())
}
