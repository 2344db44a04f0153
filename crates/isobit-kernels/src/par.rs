//! The thread pool that kernels share: fork, join, no result ever depends on how many threads there are.
//!
//! ```text
//! run(tasks, f):  post the job; wake sleepers; take tasks of the first slice, then of the others, until their counters have
//!                 run dry; withdraw the job; wait for the workers that had entered it
//! worker:         spin ~20 us for a new epoch; look on, yielding the core, while jobs come in quick succession, at most
//!                 ~200 us; sleep; enter; take tasks of its slice, then of the others; leave
//! ```
//!
//! There is one slice, whose tasks go to whoever comes next, or ([`run_sliced`]) one for every thread: then a thread goes
//! through memory in one direction, and counters are shared only at the end, when those who are done help the others.
//!
//! 1. The caller works too, and a worker that wakes late finds the job withdrawn: nobody waits for a thread that never began.
//! 2. A nested [`run`], or a second one while the pool is busy, runs its tasks on the calling thread, in order.
//! 3. A panic in a task stops the handing out of tasks, is rethrown in the caller, and leaves the pool usable.
//!
//! Cost: about 1 to 3 microseconds for a fork and join while the workers are awake, a wake-up more when they sleep: 20 to 50 on
//! a virtual machine, as much as many a job. A process that idles, or whose jobs are far apart, has its workers asleep, and
//! whatever else wants a core gets that of a worker that waits.
//! Tasks must not depend on which thread runs them, and must not wait for one another.

use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an idle worker, or a caller that waits for the last task, spins and keeps its core.
const SPIN: Duration = Duration::from_micros(20);
/// How long it goes on looking after that, offering its core to others: a virtual machine takes 50 us and more to wake a thread.
const YIELD: Duration = Duration::from_micros(200);

/// More threads than this there never are, whatever is asked for.
const MOST: usize = 1024;

/// Slices of a job at most: more threads share them.
const SLICES: usize = 8;

/// The first task of a slice.
fn slice_start(tasks: usize, slice: usize, slices: usize) -> usize {
    tasks / slices * slice + (tasks % slices).min(slice)
}

/// The next task of a slice, on a cache line (two, as processors fetch pairs) of its own.
#[repr(align(128))]
struct Next(AtomicUsize);

/// One call of [`run`], on its caller's stack.
struct Job {
    /// The task body; its lifetime is erased, `run` outlives every use.
    body: *const (dyn Fn(usize) + Sync),
    tasks: usize,
    /// Slices in use.
    slices: usize,
    next: [Next; SLICES],
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

struct Pool {
    /// Grows by one with every posted job.
    epoch: AtomicU64,
    /// The posted job, or null.
    job: AtomicPtr<Job>,
    /// Workers that may be looking at `job`.
    inside: AtomicUsize,
    /// Workers asleep, or about to be.
    sleepers: AtomicUsize,
    /// Whether the caller sleeps until `inside` is zero.
    caller_sleeps: AtomicBool,
    sleep: Mutex<()>,
    wake: Condvar,
    done: Condvar,
    /// Held while a job runs: the number of workers that exist.
    spawned: Mutex<usize>,
}

static POOL: Pool = Pool {
    epoch: AtomicU64::new(0),
    job: AtomicPtr::new(ptr::null_mut()),
    inside: AtomicUsize::new(0),
    sleepers: AtomicUsize::new(0),
    caller_sleeps: AtomicBool::new(false),
    sleep: Mutex::new(()),
    wake: Condvar::new(),
    done: Condvar::new(),
    spawned: Mutex::new(0),
};

/// 0 = not yet chosen.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// How many threads [`run`] uses, the caller included (`ISOBIT_NUM_THREADS`, else the number of cores).
#[inline]
pub fn threads() -> usize {
    match THREADS.load(SeqCst) {
        0 => init_threads(),
        n => n,
    }
}

#[cold]
fn init_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let n = match std::env::var("ISOBIT_NUM_THREADS") {
        Err(_) => cores,
        Ok(s) => match s.trim().parse::<usize>() {
            Ok(n) if n > 0 => n.min(MOST),
            _ if s.trim().is_empty() => cores,
            _ => {
                eprintln!("isobit: ISOBIT_NUM_THREADS={s}: expected a positive number, using {cores}");
                cores
            }
        },
    };
    // A `set_threads` that came in between wins.
    let _ = THREADS.compare_exchange(0, n, SeqCst, SeqCst);
    THREADS.load(SeqCst)
}

/// Sets how many threads [`run`] uses from now on (0 counts as 1, more than 1024 as 1024). No result changes.
pub fn set_threads(n: usize) {
    THREADS.store(n.clamp(1, MOST), SeqCst);
}

/// Runs `f(0) .. f(tasks - 1)` in any order, on any thread, and returns when all are done.
///
/// # Panics
/// When a task panics: with that task's payload, after every task that had begun has ended.
pub fn run(tasks: usize, f: impl Fn(usize) + Sync) {
    start(tasks, 1, f);
}

/// [`run`] for tasks of which neighbours read neighbouring memory: each thread begins with a run of tasks of its own.
///
/// # Panics
/// As [`run`].
pub fn run_sliced(tasks: usize, f: impl Fn(usize) + Sync) {
    start(tasks, SLICES, f);
}

/// [`run`] with so many slices at most.
fn start(tasks: usize, slices: usize, f: impl Fn(usize) + Sync) {
    let threads = threads().min(tasks);
    if threads > 1 {
        let spawned = match POOL.spawned.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(p)) => Some(p.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        };
        if let Some(spawned) = spawned {
            return run_parallel(tasks, (threads, slices.min(threads)), &f, spawned);
        }
    }
    for i in 0..tasks {
        f(i);
    }
}

/// Cuts `0..len` into chunks of `chunk` (the last may be short) and runs `f(start, end)` for each.
///
/// The chunks depend on `len` and `chunk` only, never on the number of threads.
pub fn for_chunks(len: usize, chunk: usize, f: impl Fn(usize, usize) + Sync) {
    let chunk = chunk.max(1);
    run(len.div_ceil(chunk), |i| f(i * chunk, ((i + 1) * chunk).min(len)));
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run_parallel(
    tasks: usize,
    (threads, slices): (usize, usize),
    f: &(dyn Fn(usize) + Sync),
    mut spawned: MutexGuard<'_, usize>,
) {
    while *spawned + 1 < threads {
        let index = *spawned;
        // Without the thread the tasks still all run, on fewer threads.
        if std::thread::Builder::new().name(format!("isobit-{index}")).spawn(move || worker(index)).is_err() {
            break;
        }
        *spawned += 1;
    }
    // SAFETY: only the lifetime changes; the job is withdrawn and every worker has left before this function returns.
    let body = unsafe {
        std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync + 'static)>(
            ptr::from_ref(f),
        )
    };
    let next = std::array::from_fn(|slice| Next(AtomicUsize::new(slice_start(tasks, slice.min(slices), slices))));
    let mut job = Job { body, tasks, slices, next, panic: Mutex::new(None) };
    let job_ptr = &raw mut job;
    POOL.job.store(job_ptr, SeqCst);
    POOL.epoch.fetch_add(1, SeqCst);
    if POOL.sleepers.load(SeqCst) > 0 {
        drop(lock(&POOL.sleep));
        if *spawned + 1 > threads {
            // Idle surplus workers share the condition variable; only a broadcast is sure to reach the right ones.
            POOL.wake.notify_all();
        } else {
            for _ in 1..threads {
                POOL.wake.notify_one();
            }
        }
    }
    // SAFETY: `job` lives on this frame.
    take_tasks(unsafe { &*job_ptr }, 0);
    POOL.job.store(ptr::null_mut(), SeqCst);
    wait_until_left();
    drop(spawned);
    // SAFETY: no worker is inside, so this is the only access.
    let payload = unsafe { &*job_ptr }.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(payload) = payload {
        resume_unwind(payload);
    }
}

/// Runs tasks until all counters have run dry, that of `slice` first.
fn take_tasks(job: &Job, slice: usize) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller of `run` keeps the closure alive until every worker has left the job.
        let body = unsafe { &*job.body };
        for slice in (slice..job.slices).chain(0..slice) {
            let end = slice_start(job.tasks, slice + 1, job.slices);
            loop {
                let i = job.next[slice].0.fetch_add(1, SeqCst);
                if i >= end {
                    break;
                }
                body(i);
            }
        }
    }));
    if let Err(payload) = outcome {
        job.next.iter().for_each(|next| next.0.store(job.tasks, SeqCst));
        lock(&job.panic).get_or_insert(payload);
    }
}

/// Whether a wait that began then goes on without sleep, until `limit`; offers the core to others once it has lasted.
fn patient(since: Instant, limit: Duration) -> bool {
    let waited = since.elapsed();
    if waited > SPIN && waited <= limit {
        std::thread::yield_now();
    }
    waited <= limit
}

/// Waits until no worker looks at the withdrawn job.
fn wait_until_left() {
    let mut since: Option<Instant> = None;
    loop {
        for _ in 0..64 {
            if POOL.inside.load(SeqCst) == 0 {
                return;
            }
            spin_loop();
        }
        if !patient(*since.get_or_insert_with(Instant::now), YIELD) {
            break;
        }
    }
    POOL.caller_sleeps.store(true, SeqCst);
    let mut guard = lock(&POOL.sleep);
    while POOL.inside.load(SeqCst) != 0 {
        guard = POOL.done.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
    drop(guard);
    POOL.caller_sleeps.store(false, SeqCst);
}

fn worker(index: usize) {
    let mut seen = 0;
    let mut gaps = Gaps::default();
    loop {
        seen = wait_for_epoch(index, seen, &mut gaps);
        // Enter first, look second: the caller withdraws first and counts second, so one of the two sees the other.
        POOL.inside.fetch_add(1, SeqCst);
        let job = POOL.job.load(SeqCst);
        if !job.is_null() && index + 1 < THREADS.load(SeqCst) {
            // SAFETY: `inside` is counted, so the caller does not return while this worker uses the job.
            let job = unsafe { &*job };
            take_tasks(job, (index + 1) % job.slices);
        }
        if POOL.inside.fetch_sub(1, SeqCst) == 1 && POOL.caller_sleeps.load(SeqCst) {
            drop(lock(&POOL.sleep));
            POOL.done.notify_all();
        }
    }
}

/// What a worker has learnt from its last waits: whether the next one is worth more than a spin.
#[derive(Default)]
struct Gaps {
    /// Grows with waits that were shorter than [`YIELD`], halves with each longer one.
    short: u32,
}

impl Gaps {
    /// How long the next wait may last without sleep.
    fn limit(&self) -> Duration {
        if self.short > 0 { YIELD } else { SPIN }
    }

    /// Takes note of a wait.
    fn note(&mut self, waited: Duration) {
        self.short = if waited <= YIELD { (self.short + 1).min(8) } else { self.short / 2 };
    }
}

/// Spins, yields, then sleeps, until the epoch differs from `seen`; returns the new one.
fn wait_for_epoch(index: usize, seen: u64, gaps: &mut Gaps) -> u64 {
    let since = Instant::now();
    // A worker beyond the present number of threads does not spin.
    if index + 1 < THREADS.load(SeqCst) {
        let limit = gaps.limit();
        loop {
            for _ in 0..64 {
                let now = POOL.epoch.load(SeqCst);
                if now != seen {
                    gaps.note(since.elapsed());
                    return now;
                }
                spin_loop();
            }
            if !patient(since, limit) {
                break;
            }
        }
    }
    let mut guard = lock(&POOL.sleep);
    POOL.sleepers.fetch_add(1, SeqCst);
    let now = loop {
        let now = POOL.epoch.load(SeqCst);
        if now != seen {
            break now;
        }
        guard = POOL.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
    };
    POOL.sleepers.fetch_sub(1, SeqCst);
    gaps.note(since.elapsed());
    now
}

#[cfg(feature = "self-test")]
mod tests {
    use super::*;

    /// Tests that change the number of threads run one at a time.
    static SERIAL: Mutex<()> = Mutex::new(());

    self_test!(every_task_runs_once);
    fn every_task_runs_once() {
        let _serial = lock(&SERIAL);
        for n in [1, 2, 3, 7, 2, 1, 4, 11] {
            set_threads(n);
            for tasks in [0, 1, 2, 3, 17, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                run(tasks, |i| {
                    counts[i].fetch_add(1, SeqCst);
                });
                run_sliced(tasks, |i| {
                    counts[i].fetch_add(1, SeqCst);
                });
                assert!(counts.iter().all(|c| c.load(SeqCst) == 2), "{n} threads, {tasks} tasks");
            }
        }
        set_threads(2);
    }

    self_test!(nested_and_concurrent_runs);
    fn nested_and_concurrent_runs() {
        let _serial = lock(&SERIAL);
        set_threads(3);
        let total = AtomicUsize::new(0);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..200 {
                        run(5, |_| {
                            run(7, |_| {
                                total.fetch_add(1, SeqCst);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.load(SeqCst), 4 * 200 * 35);
    }

    self_test!(panics_reach_the_caller_and_the_pool_survives);
    fn panics_reach_the_caller_and_the_pool_survives() {
        let _serial = lock(&SERIAL);
        set_threads(3);
        for round in 0..20 {
            let caught = catch_unwind(|| {
                run(50, |i| {
                    if i == round {
                        std::panic::panic_any(round);
                    }
                })
            });
            assert_eq!(caught.unwrap_err().downcast_ref::<usize>(), Some(&round));
            let sum = AtomicUsize::new(0);
            run(100, |i| {
                sum.fetch_add(i, SeqCst);
            });
            assert_eq!(sum.load(SeqCst), 4950);
        }
    }

    self_test!(sleeping_workers_wake);
    fn sleeping_workers_wake() {
        let _serial = lock(&SERIAL);
        set_threads(4);
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(1));
            let sum = AtomicUsize::new(0);
            run(64, |i| {
                std::thread::sleep(Duration::from_micros(20));
                sum.fetch_add(i, SeqCst);
            });
            assert_eq!(sum.load(SeqCst), 2016);
        }
    }

    self_test!(workers_wait_awake_only_while_jobs_come_quickly);
    fn workers_wait_awake_only_while_jobs_come_quickly() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.limit(), SPIN);
        gaps.note(Duration::from_micros(50));
        assert_eq!(gaps.limit(), YIELD);
        // One long wait among short ones changes nothing; a few after one another do, however long the work was before.
        (0..1000).for_each(|_| gaps.note(Duration::ZERO));
        gaps.note(Duration::from_millis(2));
        assert_eq!(gaps.limit(), YIELD);
        (0..3).for_each(|_| gaps.note(Duration::from_millis(2)));
        assert_eq!(gaps.limit(), SPIN);
    }

    self_test!(slices_cover_the_tasks);
    fn slices_cover_the_tasks() {
        for (tasks, slices) in [(1, 1), (7, 2), (8, 8), (9, 8), (1000, 3)] {
            let starts: Vec<usize> = (0..=slices).map(|s| slice_start(tasks, s, slices)).collect();
            assert_eq!((starts[0], starts[slices]), (0, tasks));
            assert!(starts.windows(2).all(|w| w[1] - w[0] >= tasks / slices && w[1] - w[0] <= tasks.div_ceil(slices)));
        }
    }

    self_test!(chunks_cover_the_range);
    fn chunks_cover_the_range() {
        let seen = Mutex::new(Vec::new());
        for_chunks(10, 4, |a, b| lock(&seen).push((a, b)));
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, [(0, 4), (4, 8), (8, 10)]);
    }
}
