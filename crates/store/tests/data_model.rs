//! `docs/DATA-MODEL.md` against the real schema of both databases, and against the seeds. `seeds.txt` lists every field of
//! the three seed documents, one entity a line.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use berth_store::{Store, admin, entities, migrate};
use common::on_both;
use sea_orm::{ConnectionTrait, DbBackend, IdenStatic, Iterable, Statement};

type Tables = BTreeMap<String, BTreeSet<String>>;

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/DATA-MODEL.md");
    std::fs::read_to_string(path).unwrap()
}

/// Cells of a Markdown table's row, without back quotes.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(inner.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
}

/// The lines between a heading of the second level and the next one.
fn section<'a>(document: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let start = document.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    document[start + 1..].lines().skip(1).take_while(|line| !line.starts_with("## "))
}

fn documented(document: &str) -> Tables {
    let mut tables = Tables::new();
    let mut table = None;
    for line in document.lines() {
        if line.starts_with('#') {
            table = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')).map(str::to_owned);
        } else if let (Some(table), Some(cells)) = (&table, cells(line)) {
            let [column, seed, reads] = cells.as_slice() else { panic!("{table}: {line}") };
            if column == "column" {
                continue;
            }
            assert!(
                !seed.is_empty() && !reads.is_empty(),
                "{table}.{column} does not say where it is from and what reads it"
            );
            let new = tables.entry(table.clone()).or_default().insert(column.clone());
            assert!(new, "{table}.{column} stands twice");
        }
    }
    tables
}

async fn real(store: &Store) -> Tables {
    let backend = store.backend();
    let sql = if backend == DbBackend::Postgres {
        "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = current_schema()"
    } else {
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'"
    };
    let rows = store.reader().query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    let mut tables = Tables::new();
    for row in rows {
        let (table, column) = (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
        tables.entry(table).or_default().insert(column);
    }
    // The migrator's own.
    tables.remove("seaql_migrations");
    tables
}

#[tokio::test]
async fn the_document_describes_the_schema() {
    let documented = documented(&document());
    assert_eq!(documented.len(), admin::tables().len());
    on_both(|store, _| {
        let documented = documented.clone();
        async move {
            let real = real(&store).await;
            let names = |tables: &Tables| tables.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&documented), names(&real));
            for (table, columns) in &real {
                assert_eq!(&documented[table], columns, "{table}");
            }
        }
    })
    .await;
}

/// Columns that an entity does not know would silently be left out of copies and backups.
#[tokio::test]
async fn entities_know_every_column() {
    let test = common::empty_sqlite().await;
    migrate::run(&test.store).await.unwrap();
    let real = real(&test.store).await;
    let mut checked = 0;
    macro_rules! check {
        ($($table:ident),+) => {$(
            let known: BTreeSet<String> = entities::$table::Column::iter().map(|column| column.as_str().to_owned()).collect();
            assert_eq!(real[stringify!($table)], known, stringify!($table));
            checked += 1;
        )+};
    }
    check!(
        allocations,
        applications,
        audit_logs,
        edge_data_centers,
        gpu_devices,
        idempotency_keys,
        leases,
        login_attempts,
        login_failures,
        network_topologies,
        node_metrics,
        node_network_interfaces,
        node_resources,
        nodes,
        operations,
        permissions,
        resource_pools,
        role_permissions,
        secrets,
        session_metrics,
        session_nodes,
        sessions,
        system_events,
        system_settings,
        tenants,
        usage_records,
        user_networks,
        user_sessions,
        users
    );
    assert_eq!(checked, real.len());
    test.remove().await;
}

#[test]
fn every_field_of_the_seeds_has_a_place() {
    let document = document();
    let tables = documented(&document);
    let mut places: BTreeMap<(String, String, String), String> = BTreeMap::new();
    for cells in section(&document, "Seeds").filter_map(cells) {
        let [seed, entity, field, place] = cells.as_slice() else { panic!("{cells:?}") };
        if seed == "seed" {
            continue;
        }
        let key = (seed.clone(), entity.clone(), field.clone());
        assert!(places.insert(key, place.clone()).is_none(), "{seed} {entity}.{field} stands twice");
        if let Some(column) = place.strip_prefix("column ") {
            let (table, column) = column.split_once('.').unwrap();
            assert!(
                tables.get(table).is_some_and(|columns| columns.contains(column)),
                "{seed} {entity}.{field}: no {place}"
            );
        } else {
            let said = place.strip_prefix("derived ").or_else(|| place.strip_prefix("decision: "));
            assert!(said.is_some_and(|text| text.len() > 10), "{seed} {entity}.{field}: {place}");
        }
    }
    let later: BTreeSet<(String, String)> = section(&document, "Entities of later issues")
        .filter_map(cells)
        .filter(|cells| cells[0] != "seed")
        .map(|cells| {
            assert!(["edge cloud", "classes", "accounts"].contains(&cells[2].as_str()), "{cells:?}");
            (cells[0].clone(), cells[1].clone())
        })
        .collect();
    let mut missing = Vec::new();
    let mut count = 0;
    for line in include_str!("seeds.txt").lines() {
        let (name, fields) = line.split_once(": ").unwrap();
        let (seed, entity) = name.split_once(' ').unwrap();
        if later.contains(&(seed.to_owned(), entity.to_owned())) {
            continue;
        }
        for field in fields.split(' ') {
            count += 1;
            if places.remove(&(seed.to_owned(), entity.to_owned(), field.to_owned())).is_none() {
                missing.push(format!("{seed} {entity}.{field}"));
            }
        }
    }
    assert!(missing.is_empty(), "without a place: {missing:?}");
    assert!(places.is_empty(), "in no seed: {:?}", places.keys());
    assert!(count > 200, "only {count} fields");
}

/// A column that one seed names must be of that seed in the tables as well.
#[test]
fn columns_name_their_seed() {
    let document = document();
    let mut seeds: BTreeMap<String, String> = BTreeMap::new();
    let mut table = String::new();
    for line in document.lines() {
        if let Some(name) = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')) {
            name.clone_into(&mut table);
        } else if let Some(cells) = cells(line).filter(|cells| cells.len() == 3) {
            seeds.insert(format!("{table}.{}", cells[0]), cells[1].clone());
        }
    }
    for cells in section(&document, "Seeds").filter_map(cells) {
        if let Some(column) = cells[3].strip_prefix("column ") {
            assert!(
                seeds[column].contains(cells[0].as_str()),
                "{column} is of {}, but says {}",
                cells[0],
                seeds[column]
            );
        }
    }
}
