//! Commands that run two at a time: most tests wait for one another or for one long loop, and keep one core busy.
//!
//! What a command prints comes when it has ended, in one piece.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A command with a headline.
pub struct Job {
    name: String,
    command: Command,
}

impl Job {
    /// The command under that headline.
    pub fn new(name: &str, command: Command) -> Job {
        Job { name: name.to_owned(), command }
    }

    /// Whether it succeeded; prints what it printed. Pieces of two jobs are kept apart by `printing`.
    fn run(mut self, printing: &Mutex<()>) -> Result<(), String> {
        let started = Instant::now();
        let out = self.command.stdin(Stdio::null()).output();
        let out = out.map_err(|e| format!("could not start {:?}: {e}", self.command.get_program()))?;
        let _alone = lock(printing);
        println!("\n== {}", self.name);
        let printed = std::io::stdout().write_all(&out.stdout).and_then(|()| std::io::stderr().write_all(&out.stderr));
        printed.map_err(|e| e.to_string())?;
        println!("== {}: {} s", self.name, started.elapsed().as_secs());
        if out.status.success() { Ok(()) } else { Err(format!("failed: {} ({:?})", self.name, self.command)) }
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs them in this order, two at a time. After a failure no other one starts.
pub fn run(all: Vec<Job>) -> Result<(), String> {
    let names: Vec<&str> = all.iter().map(|j| j.name.as_str()).collect();
    println!("\n== two at a time: {}", names.join(", "));
    let (waiting, printing) = (Mutex::new(all.into_iter()), Mutex::new(()));
    let failed: Mutex<Option<String>> = Mutex::new(None);
    let work = || {
        while lock(&failed).is_none() {
            let Some(job) = lock(&waiting).next() else { break };
            if let Err(e) = job.run(&printing) {
                lock(&failed).get_or_insert(e);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
