//! A thousand actions, ended in every way there is, leave nothing behind: no thread, descriptor, file or memory.

mod common;

use common::{Connector, FetchTask, Setup, Site, poll};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use webconnector::action::Status;

const ACTIONS: usize = 1_000;
/// Rounds before the first look: what is made once is made by then.
const WARM_UP: usize = 20;
/// What memory may grow by, in KiB: allocators keep some of what they were given back.
const GROWTH_KIB: u64 = 3 << 10;

/// What a process holds at one moment.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    /// The names of its threads, sorted.
    threads: Vec<String>,
    descriptors: usize,
    /// Every path below its folder.
    files: BTreeSet<PathBuf>,
}

impl Holdings {
    /// Whether these are no more than `before`, which may have been looked at while a connection was still ending.
    fn are_within(&self, before: &Holdings) -> bool {
        let mut left = before.threads.clone();
        let is_known =
            |name: &String| left.iter().position(|known| known == name).map(|at| left.swap_remove(at)).is_some();
        self.threads.iter().all(is_known)
            && self.descriptors <= before.descriptors
            && self.files.is_subset(&before.files)
    }
}

/// `None` if something ended while it was looked at.
fn holdings(connector: &Connector) -> Option<Holdings> {
    let process = Path::new("/proc").join(connector.pid().to_string());
    let name = |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task.ok()?.path().join("comm")).ok();
    let mut threads = fs::read_dir(process.join("task")).ok()?.map(name).collect::<Option<Vec<_>>>()?;
    threads.sort();
    let descriptors = fs::read_dir(process.join("fd")).ok()?.count();
    let mut files = BTreeSet::new();
    collect_files(connector.folder(), &mut files).ok()?;
    Some(Holdings { threads, descriptors, files })
}

fn collect_files(folder: &Path, files: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        }
        files.insert(path);
    }
    Ok(())
}

/// Memory of the process's own, in KiB.
fn memory_kib(connector: &Connector) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", connector.pid())).expect("the process is there");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("Linux tells the memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("in KiB")
}

/// One action of each kind: finished, failed, stopped while it runs, and cancelled.
fn round(connector: &Connector, site: &Site, held: usize) {
    let finished = connector.synchronize("docs");
    let failed = connector.synchronize("broken");
    let stopped = connector.synchronize("held");
    site.wait_for_hits("/held", held);
    // Both threads may be free, but a second action on a task waits for the first.
    let cancelled = connector.synchronize("held");
    connector.ok(&Connector::queue_info("Cancel", &cancelled));
    connector.ok(&Connector::queue_info("Stop", &stopped));
    for (token, status) in [
        (&finished, Status::Finished),
        (&failed, Status::Error),
        (&stopped, Status::Stopped),
        (&cancelled, Status::Cancelled),
    ] {
        assert_eq!(connector.wait_until_done(token), status);
    }
}

#[test]
fn a_thousand_actions_leave_nothing_behind() {
    let site =
        Site::new().page("/", "<a href=/a></a><p>Text.").page("/a", "<p>More.").held("/held").status("/broken", 500);
    let task = |name: &str, target: &str| {
        FetchTask::named(name).set("Url", site.url(target)).set("MaxRetries", "0").set("FollowRobotProtocol", "FALSE")
    };
    // What is remembered of ended actions is meant to take memory: here it is the same before and after.
    let connector = Setup::new()
        .set("Actions", "MaxEndedActions", "20")
        .task(task("docs", "/"))
        .task(task("held", "/held"))
        .task(task("broken", "/broken"))
        .start();
    for number in 1..=WARM_UP {
        round(&connector, &site, number);
    }
    let before = poll("the process to be looked at", || holdings(&connector));
    let memory_before = memory_kib(&connector);
    for number in WARM_UP + 1..=WARM_UP + ACTIONS / 4 {
        round(&connector, &site, number);
    }
    let mut after = None;
    // The last connections end by themselves.
    let is_as_before = || {
        after = holdings(&connector);
        after.as_ref().is_some_and(|after| after.are_within(&before)).then_some(())
    };
    poll("nothing to be held that was not held before", is_as_before);
    let grown = memory_kib(&connector).saturating_sub(memory_before);
    println!("memory has grown by {grown} KiB in {ACTIONS} actions");
    assert!(grown <= GROWTH_KIB, "memory has grown by {grown} KiB");
}
