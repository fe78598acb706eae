//! The four faults, and the error that carries one.
//!
//! Whoever meets a failure names its fault; only the pipeline acts on it. This module never
//! decides what to do about a fault.

use std::error::Error as StdError;
use std::fmt;

/// What a failure means for the pipeline that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The world is at fault and may heal: connect again and resume from the checkpoint.
    Transient,
    /// The data is at fault: trying again cannot help, an operator must decide.
    Poison,
    /// Another holder has taken over: write nothing more.
    Fenced,
    /// The set-up or the program is at fault: stop and say why.
    Fatal,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transient => "transient",
            Self::Poison => "poison",
            Self::Fenced => "fenced",
            Self::Fatal => "fatal",
        })
    }
}

/// An error that knows its fault and what was being done when it was met.
///
/// Implement it on the error enum of a stage; `?` then turns it into [`Error`].
pub trait Classify: StdError + Send + Sync + 'static {
    /// The consequence of this failure.
    fn fault(&self) -> Fault;
    /// What was being done, as a verb phrase: `load a batch into MySQL`.
    fn doing(&self) -> &'static str;
}

/// The error of every stage and arbiter: a fault, what was being done, and the cause.
pub struct Error {
    fault: Fault,
    doing: &'static str,
    cause: Box<dyn StdError + Send + Sync>,
}

/// The result of stages and arbiters.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error from a cause that does not classify itself.
    pub fn new(
        fault: Fault,
        doing: &'static str,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { fault, doing, cause: cause.into() }
    }

    /// The consequence of this failure.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// What was being done when the failure was met.
    #[must_use]
    pub fn doing(&self) -> &'static str {
        self.doing
    }

    /// The typed cause, where it is a `T`.
    #[must_use]
    pub fn cause<T: StdError + 'static>(&self) -> Option<&T> {
        self.cause.downcast_ref()
    }
}

impl<T: Classify> From<T> for Error {
    fn from(cause: T) -> Self {
        Self { fault: cause.fault(), doing: cause.doing(), cause: Box::new(cause) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("fault", &self.fault)
            .field("doing", &self.doing)
            .field("cause", &format_args!("{}", self.cause))
            .finish()
    }
}

impl fmt::Display for Error {
    /// Writes the whole chain of causes, so that one log field tells all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.doing, Causes(&*self.cause))
    }
}

/// An error with all its causes in one line, each behind a colon: `Display` of most errors tells
/// only its own part.
#[derive(Debug, Clone, Copy)]
pub struct Causes<'a>(pub &'a (dyn StdError + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        write!(f, "{error}")?;
        let mut next = error.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

// `Error` does not implement `std::error::Error`: the conversion from every `Classify` would
// overlap with the reflexive one. `into_std` is the way out for applications.
impl Error {
    /// Turns this error into a standard one, for `main` and for other error types.
    #[must_use]
    pub fn into_std(self) -> Box<dyn StdError + Send + Sync> {
        self.to_string().into()
    }
}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        error.into_std()
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        error.into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the line is cut")]
    struct Cut(#[source] std::io::Error);

    impl Classify for Cut {
        fn fault(&self) -> Fault {
            Fault::Transient
        }
        fn doing(&self) -> &'static str {
            "read the line"
        }
    }

    #[test]
    fn an_error_tells_its_fault_and_the_whole_chain() {
        let error = Error::from(Cut(std::io::Error::other("no carrier")));
        assert_eq!(error.fault(), Fault::Transient);
        assert_eq!(error.to_string(), "cannot read the line: the line is cut: no carrier");
        assert!(error.cause::<Cut>().is_some());
    }
}
