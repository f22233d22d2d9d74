//! Two declaration macros that keep ids and enums to one line a piece and alike in every layer.

/// A UUIDv7 newtype. With the `orm` feature it is also a column type.
macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[cfg_attr(feature = "orm", derive(sea_orm::DeriveValueType))]
        #[serde(transparent)]
        #[schema(value_type = uuid::Uuid)]
        pub struct $name(pub uuid::Uuid);

        impl $name {
            /// A new time-ordered id.
            #[expect(clippy::new_without_default, reason = "an id is made on purpose, never by default")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        #[cfg(feature = "orm")]
        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    )+};
}

/// An enum with one lower_snake_case text per variant: the same text in the API, the database and the CLI. Its schema is
/// written out here: `derive(ToSchema)` does not see a `rename` that comes from a macro, and would show Rust's names.
macro_rules! text_enum {
    (
        $(#[doc = $doc:literal])*
        $name:ident = $db:literal { $($(#[doc = $vdoc:literal])* $variant:ident = $text:literal),+ $(,)? }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "orm", derive(sea_orm::EnumIter, sea_orm::DeriveActiveEnum))]
        #[cfg_attr(feature = "orm", sea_orm(rs_type = "String", db_type = "Enum", enum_name = $db))]
        pub enum $name {
            $(
                $(#[doc = $vdoc])*
                #[serde(rename = $text)]
                #[cfg_attr(feature = "orm", sea_orm(string_value = $text))]
                $variant
            ),+
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let values: &[(&str, &[&str])] = &[$(($text, &[$($vdoc),*])),+];
                utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some(values.iter().map(|(text, _)| *text)))
                    .description($crate::macros::describe(&[$($doc),*], values))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The text used in the API, the database and the CLI.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(format!("\"{other}\" is not one of {}", [$($text),+].join(", "))),
                }
            }
        }
    };
}

/// The description of an enum's schema: its own, and those of the values that have one.
pub(crate) fn describe(own: &[&str], values: &[(&str, &[&str])]) -> Option<String> {
    let joined = |lines: &[&str]| lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let mut parts = vec![joined(own)];
    for (text, lines) in values.iter().filter(|(_, lines)| !lines.is_empty()) {
        parts.push(format!("`{text}`: {}", joined(lines)));
    }
    parts.retain(|part| !part.is_empty());
    (!parts.is_empty()).then(|| parts.join("\n"))
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    use crate::identity::{TenantStatus, UserStatus};

    /// What the API says it takes is what it takes.
    #[test]
    fn schemas_of_enums_show_the_texts() {
        let schema = serde_json::to_value(TenantStatus::schema()).unwrap();
        let texts: Vec<_> = TenantStatus::ALL.iter().map(|status| serde_json::to_value(status).unwrap()).collect();
        assert_eq!(schema["enum"], serde_json::Value::Array(texts));
        assert_eq!(schema["type"], "string");
        let schema = serde_json::to_value(UserStatus::schema()).unwrap();
        let description =
            "`inactive`: Disabled by an admin.\n`locked`: Locked by an admin, or until `account_locked_until`.";
        assert_eq!(schema["description"], description);
    }
}
