"""Crawls: the connector and its peers over the same sites."""

import os
import subprocess
import time

from . import connector, measure, sites
from .connector import Connector, count, fresh, until
from .measure import Run, Table, interleaved, runs_table

SYNCHRONIZE = "action=Fetch&FetchAction=Synchronize&TaskSections=Site"


def sections(url, visitors):
    return f"[FetchTasks]\n0=Site\n[Site]\nUrl={url}\nSynchronizeThreads={visitors}\n"


def measured_action(server):
    """Performs one action and measures the server from its submission to its end."""
    server.forget_peak()
    cpu, started = server.cpu_seconds(), time.perf_counter()
    status = server.wait(server.submit(SYNCHRONIZE))
    wall = time.perf_counter() - started
    return Run(count(status, "seen"), wall, server.cpu_seconds() - cpu, server.memory_mb("VmHWM")), status


def sites_table(bench, nginx, site, pages, peers):
    """The whole site by everyone, and a second time by the connector, for which nothing has changed."""
    url, again = nginx.url(site), {}
    contenders = []
    for visitors in (5, 16):
        name = f"webconnector, {visitors} visitors"
        again[name + ", second run"] = []

        def crawl(visitors=visitors, second=name + ", second run"):
            folder = fresh(os.path.join(bench.work, "crawl"))
            with Connector(bench.binary, folder, sections(url, visitors)) as server:
                run, status = measured_action(server)
                met, added = count(status, "seen"), count(status, "added")
                with open(os.path.join(folder, "output", "Site.jsonl"), "rb") as file:
                    written = sum(1 for _ in file)
                if met < pages or count(status, "errors") or written != added:
                    raise SystemExit(f"bench: of {pages} pages {met} were met and {written} written: {status}")
                unchanged, status = measured_action(server)
                if count(status, "unchanged") != added:
                    raise SystemExit(f"bench: the second run found changes: {status}")
                again[second].append(unchanged)
            return run

        contenders.append((name, crawl))
    contenders.append(("wget -r, 1 connection", lambda: wget(bench, url, pages)))
    contenders += [(name, lambda run=run: run(url, pages)) for name, run in peers]
    results = interleaved(contenders, bench.runs)
    table = runs_table()
    for name, runs in results.items():
        table.add_runs(name, runs)
        if name + ", second run" in again:
            table.add_runs(name + ", second run", again[name + ", second run"])
    table.show(f"Site {site}: {pages} pages of {sites.DOCS[site][0]}; the connector writes documents and its datastore")


def wget(bench, url, pages):
    folder = fresh(os.path.join(bench.work, "wget"))
    # It ends with 8 if an error status came, as for a robots.txt that is not there.
    return measure.command(["wget", "-q", "-r", "-l", "inf", url], pages, folder, ok=(0, 8))


class Generated:
    """The site of site.rs, with so many pages and a delay before each reply. Ends with the `with` block."""

    def __init__(self, bench, pages, delay_ms):
        self.command = [bench.helper("site"), str(pages), str(delay_ms)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def latency(bench):
    """A site that takes 100 ms for each page."""
    visitors, delay_ms, pages = 64, 100, 6000
    table = Table("visitors", "delay", "pages/s", "of visitors / delay", "peak MB")
    with Generated(bench, pages, delay_ms) as site:
        folder = fresh(os.path.join(bench.work, "latency"))
        with Connector(bench.binary, folder, sections(site.url, visitors)) as server:
            run, _ = measured_action(server)
    per_second = run.pages / run.wall
    share = per_second / (visitors * 1000 / delay_ms)
    table.add(visitors, f"{delay_ms} ms", f"{per_second:.0f}", f"{share:.2f}", f"{run.memory:.1f}")
    table.show(f"Waiting for a slow site: {pages} pages")


def scale(bench, pages):
    """A large generated site: speed and memory over the run, a kill in its middle, and the way back."""
    samples, killed = [], {}
    with Generated(bench, pages, 0) as site:
        folder = fresh(os.path.join(bench.work, "scale"))
        text = sections(site.url, 16)
        with Connector(bench.binary, folder, text) as server:
            started, cpu = time.perf_counter(), server.cpu_seconds()
            samples.append((0.0, 0, server.memory_mb()))

            def watch(status):
                now = time.perf_counter() - started
                if now - samples[-1][0] >= 0.25:
                    samples.append((now, count(status, "seen"), server.memory_mb()))

            status = server.wait(server.submit(SYNCHRONIZE), watch)
            wall = time.perf_counter() - started
            run = Run(count(status, "seen"), wall, server.cpu_seconds() - cpu, server.memory_mb("VmHWM"))
            samples.append((wall, run.pages, server.memory_mb()))
        if run.pages < pages:
            raise SystemExit(f"bench: of {pages} pages {run.pages} were met: {status}")

        folder = fresh(os.path.join(bench.work, "scale"))
        with Connector(bench.binary, folder, text) as server:
            token = server.submit(SYNCHRONIZE)
            is_half = lambda: count(server.status(token), "seen") >= pages / 2
            until(is_half, "half of the crawl", seconds=connector.ACTION_SECONDS_MAX, pause=0.01)
            server.kill()
        with Connector(bench.binary, folder, text) as server:
            killed["ready"] = server.ready_ms
            started = time.perf_counter()
            until(lambda: count(server.status(token), "seen") > 0, "the first page after the kill")
            killed["goes on"] = 1000 * (time.perf_counter() - started)

    def speed(from_pages, to_pages):
        def at(wanted):
            earlier = max(sample for sample in samples if sample[1] <= wanted)
            later = min(sample for sample in samples if sample[1] >= wanted)
            span = later[1] - earlier[1]
            return earlier[0] + (later[0] - earlier[0]) * ((wanted - earlier[1]) / span if span else 0)

        return (to_pages - from_pages) / max(at(to_pages) - at(from_pages), 1e-9)

    tenth = run.pages / 10
    speeds = [speed(tenth * part, tenth * (part + 1)) for part in range(10)]
    table = Table("pages", "wall s", "pages/s", "CPU s/1000 pages", "peak MB", "last tenth / first tenth")
    per_thousand = 1000 * run.cpu / run.pages
    table.add(run.pages, f"{run.wall:.1f}", f"{run.pages / run.wall:,.0f}", f"{per_thousand:.2f}", f"{run.memory:.1f}",
              f"{speeds[-1] / speeds[0]:.2f}")
    table.show("Scale: one generated site, 16 visitors")
    print(f"After kill -9 at half of it: ready in {killed['ready']:.0f} ms, first page {killed['goes on']:.0f} ms later.\n")
    graph(speeds, [max(sample[2] for sample in tenth_of(samples, run.pages, part)) for part in range(10)])


def tenth_of(samples, pages, part):
    """The samples of one tenth of the run, and the nearest one if there is none."""
    inside = [sample for sample in samples if part <= 10 * sample[1] / pages <= part + 1]
    return inside or [min(samples, key=lambda sample: abs(10 * sample[1] / pages - part))]


def graph(speeds, memory):
    width = 40
    print("tenth   pages/s" + " " * (width + 2) + "MB")
    for part, (speed, megabytes) in enumerate(zip(speeds, memory), 1):
        bar = "#" * round(width * speed / max(speeds))
        print(f"{part:5} {speed:9,.0f} {bar.ljust(width)} {megabytes:6.1f}")
    print(flush=True)


def memory_group(megabytes):
    """Makes a control group whose processes have so much memory, page cache included, and returns its folder."""
    for root, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        # Of version 2 or 1: the system shows them by this file, also in the groups that are made.
        if os.path.exists(os.path.join(root, "cgroup.procs")):
            break
    else:
        raise OSError("there are none")
    folder = os.path.join(root, f"webconnector-bench-{os.getpid()}")
    os.mkdir(folder)
    try:
        # Not created: where the system has not made it, memory is not limited.
        with open(os.open(os.path.join(folder, limit), os.O_WRONLY), "w", encoding="ascii") as file:
            file.write(str(megabytes << 20))
    except OSError:
        os.rmdir(folder)
        raise
    return folder


def many_hosts(bench):
    """A thousand hosts, each of which is asked every two seconds: whether the schedule is kept, and no host waits for another."""
    hosts, pages, delay_ms = 1000, 8, 2000
    command = [bench.helper("hosts"), str(hosts), str(pages), str(delay_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as site:
        port = int(site.stdout.readline())
        urls = ",".join(f"http://127.1.{number // 256}.{number % 256}:{port}/" for number in range(hosts))
        text = sections(urls, 64) + f"PageDelay={delay_ms / 1000}\n"
        with Connector(bench.binary, fresh(os.path.join(bench.work, "hosts")), text) as server:
            run, status = measured_action(server)
        site.stdin.close()
        requests, missing, early, *late = site.stdout.read().split()
    if int(missing) or run.pages != hosts * pages or count(status, "errors"):
        raise SystemExit(f"bench: of {hosts} hosts {missing} were not asked: {status}")
    table = Table("hosts", "delay", "requests", "wall s", "at least", "too early", "late by ms: least", "p50", "p99", "most")
    # robots.txt goes first.
    least = pages * delay_ms / 1000
    table.add(hosts, f"{delay_ms} ms", requests, f"{run.wall:.2f}", f"{least:.2f}", early, *late)
    table.show(f"Many hosts: {pages} pages of each, 64 visitors, {run.cpu:.1f} s of CPU, {run.memory:.1f} MB at most")


def small_host(bench, nginx):
    """Two crawls at once where there are 64 MB for them, files in memory included."""
    megabytes, url = 64, nginx.url("P")
    text = "[FetchTasks]\n0=A\n1=B\n" + "".join(f"[{name}]\nUrl={url}\n" for name in "AB")
    folder = fresh(os.path.join(bench.work, "small"))
    try:
        group = memory_group(megabytes)
    except OSError as error:
        print(f"\nA small host is not measured: no control group with a memory limit can be made ({error}).\n", flush=True)
        return
    try:
        with Connector(bench.binary, folder, text, group=group) as server:
            started = time.perf_counter()
            tokens = [server.submit(SYNCHRONIZE.replace("Site", name)) for name in "AB"]
            pages = sum(count(server.wait(token), "seen") for token in tokens)
            wall, peak = time.perf_counter() - started, server.memory_mb("VmHWM")
    finally:
        os.rmdir(group)
    table = Table("memory of the host", "crawls at once", "pages", "wall s", "peak MB")
    table.add(f"{megabytes} MB", len(tokens), pages, f"{wall:.2f}", f"{peak:.1f}")
    table.show("A small host: two crawls of site P")
