//! Standard output and standard error, which may be full or gone: that is an error like others, or the end, but no panic.

use isobit::{Error, Result};
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether nobody reads standard output any more.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether a write has found that nobody reads standard output any more: then there is nothing to say about it.
pub fn closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Writes a line to standard output.
///
/// # Errors
/// A full disk, a closed pipe.
pub fn line(text: Arguments<'_>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| {
        CLOSED.fetch_or(e.kind() == ErrorKind::BrokenPipe, Ordering::Relaxed);
        Error::io("output", format!("standard output: {e}"))
    })
}

/// Writes a line to standard error, if it takes one: there is no other place to complain.
pub fn note_line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// [`println!`] that returns an error from the function that it is in.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*))? };
}

/// [`eprintln!`] that never panics.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::note_line(format_args!($($text)*)) };
}

pub(crate) use {note, say};
