//! Schema versions. They run at start in one transaction under a lock, so that of several replicas one migrates and the
//! others wait; a schema newer than this program is refused before anything is touched.

mod m0001_foundation;

use sea_orm_migration::prelude::*;

/// The list of all migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_foundation::Foundation)]
    }
}
