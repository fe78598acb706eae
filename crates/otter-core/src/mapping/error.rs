//! What can be wrong with mappings.

/// Why a mapping, or a set of them, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// Not two parts with a point between them.
    #[error(
        "`{0}` is no table pattern: write database.table, with * and ? as wildcards, and a name \
         that holds a point, a space or a wildcard in backticks"
    )]
    Pattern(String),
    /// A numeric range.
    #[error(
        "the numeric range in `{0}` is not built yet: write one mapping per table, or a glob \
         with * and ?"
    )]
    Range(String),
    /// A regular expression.
    #[error("the regular expression `{0}` is not built yet: write globs with * and ?")]
    Regex(String),
    /// `to` has wildcards that `from` has not.
    #[error(
        "`to = \"{to}\"` does not fit `from = \"{from}\"`: each part of `to` is a plain name or \
         has the same wildcards as that part of `from`"
    )]
    Shape {
        /// The pattern of the source's tables.
        from: String,
        /// The pattern of the target's tables.
        to: String,
    },
    /// The same pattern twice.
    #[error("`{0}` is mapped twice: keep one of the two mappings")]
    Twice(String),
    /// Two patterns that are equally specific and match the same table.
    #[error(
        "`{first}` and `{second}` are equally specific and match the same tables: make one of \
         them more specific"
    )]
    Ambiguous {
        /// The earlier one.
        first: String,
        /// The later one.
        second: String,
    },
    /// No mapping at all.
    #[error("no table is mapped: write at least one mapping, such as {{ from = \"shop.*\" }}")]
    Empty,
}
