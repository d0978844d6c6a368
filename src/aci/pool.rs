//! Threads that do one thing after the other, as many as there are things to do at once. A few that are done stay for a
//! while: beginning and ending a thread takes longer than most of what one does.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Threads that stay.
const IDLE_MAX: usize = 32;
/// For how long one stays.
const KEPT: Duration = Duration::from_secs(2);

pub(super) struct Pool<J> {
    name: String,
    stack_bytes: usize,
    work: Arc<dyn Fn(J) + Send + Sync>,
    /// Every job in it has been promised to one of the threads that take from it, so that none waits there.
    jobs: (Sender<J>, Receiver<J>),
    /// Threads that take from `jobs` and have been promised nothing.
    idle: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
    /// Every thread holds a clone; nothing is ever sent.
    ending: Sender<Infallible>,
}

impl<J: Send + 'static> Pool<J> {
    /// Of threads of this name, all of which hold `ending` while they run.
    pub(super) fn new(
        name: String,
        stack_bytes: usize,
        ending: Sender<Infallible>,
        work: impl Fn(J) + Send + Sync + 'static,
    ) -> Pool<J> {
        let (jobs, idle) = (unbounded(), Arc::new(AtomicUsize::new(0)));
        Pool { name, stack_bytes, work: Arc::new(work), jobs, idle, threads: Vec::new(), ending }
    }

    /// Has `job` done by a thread that has nothing else to do. On an error it has been dropped.
    pub(super) fn give(&mut self, job: J) -> io::Result<()> {
        if decrease(&self.idle) {
            self.jobs.0.send(job).expect("this holds a receiver");
            return Ok(());
        }
        // Here, as only here they become more.
        for thread in self.threads.extract_if(.., |thread| thread.is_finished()) {
            // A panic has been printed by then, and ended this one job.
            let _ = thread.join();
        }
        let (work, jobs, idle, ending) =
            (Arc::clone(&self.work), self.jobs.1.clone(), Arc::clone(&self.idle), self.ending.clone());
        let run = move || {
            let mut next = Some(job);
            while let Some(job) = next {
                work(job);
                next = take(&jobs, &idle);
            }
            drop((jobs, ending));
        };
        let thread = thread::Builder::new().name(self.name.clone()).stack_size(self.stack_bytes).spawn(run)?;
        self.threads.push(thread);
        Ok(())
    }

    /// The threads, which end when they have done what they are doing.
    pub(super) fn end(self) -> Vec<JoinHandle<()>> {
        self.threads
    }
}

/// The next job of a thread, or `None` when it may end.
fn take<J>(jobs: &Receiver<J>, idle: &AtomicUsize) -> Option<J> {
    let stays = |count: usize| (count < IDLE_MAX).then_some(count + 1);
    idle.fetch_update(Ordering::AcqRel, Ordering::Relaxed, stays).ok()?;
    match jobs.recv_timeout(KEPT) {
        Ok(job) => Some(job),
        Err(RecvTimeoutError::Disconnected) => None,
        // It goes unless a job has been promised to it meanwhile, which is about to come.
        Err(RecvTimeoutError::Timeout) if decrease(idle) => None,
        Err(RecvTimeoutError::Timeout) => jobs.recv().ok(),
    }
}

/// Takes one away, if there is one.
fn decrease(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;
    use std::thread::ThreadId;

    const NEVER: Duration = Duration::from_secs(20);

    #[test]
    fn each_job_has_a_thread_at_once_and_threads_are_used_again() {
        let ((done, is_done), (ending, ended)) = (unbounded::<ThreadId>(), bounded(0));
        let work = move |gate: Receiver<()>| {
            let _ = gate.recv();
            done.send(thread::current().id()).expect("the test waits for it");
        };
        let mut pool = Pool::new("test".to_owned(), 64 * 1024, ending, work);
        // More than stay.
        let gates: Vec<_> = (0..2 * IDLE_MAX).map(|_| bounded::<()>(0)).collect();
        for (_, gate) in &gates {
            pool.give(gate.clone()).expect("a thread can be started");
        }
        assert_eq!(pool.threads.len(), gates.len());
        let count = gates.len();
        drop(gates);
        let used: Vec<_> = (0..count).map(|_| is_done.recv_timeout(NEVER).expect("every job is done")).collect();
        while pool.idle.load(Ordering::Acquire) < IDLE_MAX {
            thread::yield_now();
        }
        let (open, gate) = bounded(0);
        drop(open);
        pool.give(gate).expect("no thread has to be started");
        assert!(used.contains(&is_done.recv_timeout(NEVER).expect("it is done")));
        for thread in pool.end() {
            thread.join().expect("no thread panics");
        }
        assert_eq!(ended.recv_timeout(NEVER), Err(RecvTimeoutError::Disconnected));
    }
}
