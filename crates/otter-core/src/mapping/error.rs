//! What can be wrong with mappings.

/// Why a mapping, or a set of them, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// Not two parts with a point between them.
    #[error(
        "`{0}` is no table pattern: write database.table, with * and ? as wildcards, a name that \
         holds a point, a space or a wildcard in backticks, and a regular expression for one of \
         the two between slashes"
    )]
    Pattern(String),
    /// A bracket that is no numeric range.
    #[error(
        "`{0}` has a bracket that is no range of numbers: write [00-31], the smaller number first \
         and the zeros in front that the names have, or put the name in backticks"
    )]
    Range(String),
    /// A regular expression that cannot be used.
    #[error("the regular expression `/{expression}/` cannot be used: {problem}")]
    Expression {
        /// As it was written.
        expression: String,
        /// What is wrong with it.
        problem: String,
    },
    /// `to` has wildcards that `from` has not.
    #[error(
        "`to = \"{to}\"` does not fit `from = \"{from}\"`: each part of `to` is a plain name or \
         has the same wildcards as that part of `from`, with a * for each group of a regular \
         expression, or one for an expression without groups"
    )]
    Shape {
        /// The pattern of the source's tables.
        from: String,
        /// The pattern of the target's tables.
        to: String,
    },
    /// A spread whose `to` does not name the tables by a range.
    #[error(
        "`to = \"{to}\"` cannot take what is spread from `from = \"{from}\"`: give one part of \
         `to` a range of up to {most} numbers, such as orders_[00-31], beside the wildcards that \
         it needs anyway"
    )]
    Spread {
        /// The pattern of the source's tables.
        from: String,
        /// The pattern of the target's tables.
        to: String,
        /// The most tables that rows are spread over.
        most: usize,
    },
    /// An exception that leaves nothing of a mapping.
    #[error(
        "`except` leaves nothing of the mapping `{from}`, since all its tables match `{except}`: \
         remove one of the two"
    )]
    Nothing {
        /// The pattern of the mapping.
        from: String,
        /// The pattern of the exception.
        except: String,
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
    /// Two rules of a mapping for one column.
    #[error("column `{column}` {problem}: write one rule for each column, and each new name once")]
    Column {
        /// The column.
        column: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A constant with a brace that means nothing.
    #[error(
        "the constant `{0}` has a brace that means nothing: write {{1}} for the text of the first \
         wildcard, {{database}} or {{table}} for the source's names, and {{{{ or }}}} for a brace"
    )]
    Template(String),
    /// A constant asks for a wildcard that is not there.
    #[error(
        "the constant for column `{column}` asks for wildcard {asked}, and `{from}` has {count}: \
         count the `*`, `?`, ranges and groups from the left, beginning with 1"
    )]
    Wildcard {
        /// The column.
        column: String,
        /// The wildcard's number.
        asked: usize,
        /// The pattern of the source's tables.
        from: String,
        /// How many it has.
        count: usize,
    },
    /// No mapping at all.
    #[error("no table is mapped: write at least one mapping, such as {{ from = \"shop.*\" }}")]
    Empty,
}
