//! The one error type: which operation, what is wrong, what was expected and what came.

use std::fmt;

/// What kind of mistake an [`Error`] reports; bindings map each kind to their own exception type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Shapes, values or options that do not fit together.
    Value,
    /// An axis or index out of range.
    Index,
    /// A dtype that the operation does not take.
    Type,
    /// A failure while evaluating (memory, device, a value needed inside a transform).
    Runtime,
    /// A file that could not be read or written.
    Io,
}

/// An error with the name of the operation that found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    op: &'static str,
    message: Box<str>,
}

/// `Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` found by `op`.
    #[cold]
    pub fn new(kind: ErrorKind, op: &'static str, message: impl Into<String>) -> Error {
        Error { kind, op, message: message.into().into_boxed_str() }
    }

    /// Shapes, values or options that do not fit together.
    #[cold]
    pub fn value(op: &'static str, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Value, op, message)
    }

    /// An axis or index out of range.
    #[cold]
    pub fn index(op: &'static str, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Index, op, message)
    }

    /// A dtype that the operation does not take.
    #[cold]
    pub fn dtype(op: &'static str, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Type, op, message)
    }

    /// A failure while evaluating.
    #[cold]
    pub fn runtime(op: &'static str, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Runtime, op, message)
    }

    /// A file that could not be read or written.
    #[cold]
    pub fn io(op: &'static str, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Io, op, message)
    }

    /// The kind of mistake.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The operation that found it.
    pub fn op(&self) -> &'static str {
        self.op
    }

    /// The message without the operation's name.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.op, self.message)
    }
}

impl std::error::Error for Error {}
