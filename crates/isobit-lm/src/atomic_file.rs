//! Files that are either whole or not there: written under a temporary name, flushed to disk, then renamed.

use isobit::{Error, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

fn failed<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |e| Error::io("save", format!("{what} {}: {e}", path.display()))
}

/// Lets `write` make a file under a temporary name next to `path` and renames it to `path`. If anything fails, the
/// temporary file is removed and whatever was at `path` stays as it was.
fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| Error::io("save", format!("{}: not a file name", path.display())))?;
    make_parent(path)?;
    let mut temporary = PathBuf::from(dir);
    temporary.push(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = write(&temporary)
        .and_then(|()| File::open(&temporary).and_then(|f| f.sync_all()).map_err(failed("cannot flush", &temporary)))
        .and_then(|()| fs::rename(&temporary, path).map_err(failed("cannot rename to", path)));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    // The rename itself is on disk once the directory is; some file systems refuse to flush directories.
    let _ = File::open(dir).and_then(|d| d.sync_all());
    Ok(())
}

/// Replaces the file at `path` by one with these bytes.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, |temporary| {
        File::create(temporary).and_then(|mut f| f.write_all(bytes)).map_err(failed("cannot write", path))
    })
}

/// Makes the directory of `path`, with all above it.
pub fn make_parent(path: &Path) -> Result<()> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(failed("cannot create directory", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_trace() {
        let dir = std::env::temp_dir().join(format!("isobit-atomic-{}", std::process::id()));
        let path = dir.join("a").join("file");
        write(&path, b"old").unwrap();
        let e = replace(&path, |temporary| {
            fs::write(temporary, b"half of it").unwrap();
            Err(Error::io("save", "no space left"))
        });
        assert!(e.unwrap_err().to_string().contains("no space left"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        fs::remove_dir_all(&dir).unwrap();
    }
}
