//! Arrays in files: safetensors and npy.
//!
//! Writing is atomic: a file appears under its name only when it is complete.

pub mod npy;
pub mod safetensors;

pub use npy::{load_npy, save_npy};
pub use safetensors::{load_safetensors, parse_safetensors, safetensors_bytes, save_safetensors};

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file beside `path` and gives it that name once it is complete and on disk.
fn replace(op: &'static str, path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let failed = |what: &str, e: std::io::Error| Error::io(op, format!("{what} {}: {e}", path.display()));
    let Some(name) = path.file_name() else {
        return Err(Error::io(op, format!("expected the path of a file, got {}", path.display())));
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let temporary = path.with_file_name(temporary);
    let run = || {
        let file = File::create(&temporary).map_err(|e| failed("could not create", e))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        write(&mut out)?;
        let file = out.into_inner().map_err(|e| failed("could not write", e.into_error()))?;
        file.sync_all().map_err(|e| failed("could not write", e))?;
        drop(file);
        std::fs::rename(&temporary, path).map_err(|e| failed("could not write", e))
    };
    let done = run();
    if done.is_err() {
        // Whatever was written is of no use; a failure to remove it adds nothing to the error.
        let _ = std::fs::remove_file(&temporary);
    }
    done
}
