"""The queue and the connector's footprint."""

import os
import statistics
import subprocess
import time

from .connector import Connector, fresh, until
from .crawls import SYNCHRONIZE, sections
from .measure import Table

QUEUED = 20_000
# Room for what a round of submissions adds, and no worker that would take any of it.
LIMITS = "[Actions]\nMaxQueueSize=1000000\nMaxEndedActions=100000\n"
SECONDS = 3


def load(bench, port, target, connections=32, seconds=SECONDS, word="SUCCESS"):
    """Replies per second, p50, p99 and slowest in ms, and how many lacked `word`."""
    command = [bench.helper("load"), str(port), str(connections), str(seconds), target, word]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)}: {done.stderr}")
    replies, p50, p99, slowest, failures = done.stdout.split()
    return float(replies), float(p50), float(p99), float(slowest), int(failures)


def row(table, name, results):
    medians = [statistics.median(values) for values in zip(*results)]
    if medians[4]:
        raise SystemExit(f"bench: {name}: {medians[4]:.0f} replies failed")
    table.add(name, f"{medians[0]:,.0f}", f"{medians[1]:.2f}", f"{medians[2]:.2f}")


def queue(bench, held_url, nginx):
    """`held_url` is a site that answers late, so that actions of its task stay queued behind the first."""
    submit = "/action=Fetch&FetchAction=Synchronize&TaskSections=Held"
    text = LIMITS + f"[FetchTasks]\n0=Held\n1=Site\n[Held]\nUrl={held_url}\n[Site]\nUrl={nginx.url('R')}\n"
    table = Table("requests, 32 connections", "replies/s", "p50 ms", "p99 ms")
    submits, empty, full, listing, during = [], [], [], [], []
    for _ in range(bench.runs):
        folder = fresh(os.path.join(bench.work, "queue"))
        with Connector(bench.binary, folder, text) as server:
            token = server.submit(submit[1:])
            status = f"/action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus&Token={token}"
            empty.append(load(bench, server.port, status))
            for _ in range(QUEUED):
                server.submit(submit[1:])
            full.append(load(bench, server.port, status))
            started = time.perf_counter()
            server.ask("action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus")
            listing.append(1000 * (time.perf_counter() - started))
            submits.append(load(bench, server.port, submit))
        folder = fresh(os.path.join(bench.work, "queue"))
        with Connector(bench.binary, folder, text) as server:
            token = server.submit(SYNCHRONIZE)
            status = f"/action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus&Token={token}"
            during.append(load(bench, server.port, status, connections=4, seconds=0.5))
    row(table, "durable submissions", submits)
    row(table, "QueueInfo of a token, nothing queued", empty)
    row(table, f"QueueInfo of a token, {QUEUED:,} queued", full)
    row(table, "QueueInfo of a token while R is crawled, 4 connections", during)
    table.show("The queue")
    print(f"GetStatus of all {QUEUED:,} queued: {statistics.median(listing):.0f} ms with its reading.\n", flush=True)


def footprint(bench, url, held_url):
    """`held_url` as for `queue`."""
    table = Table("what", "figure")
    table.add("binary", f"{os.path.getsize(bench.binary) / 1e6:.2f} MB")
    ready, idle, private, starts = [], [], [], []
    for _ in range(bench.runs):
        folder = fresh(os.path.join(bench.work, "footprint"))
        with Connector(bench.binary, folder, sections(url, 1)) as server:
            ready.append(server.ready_ms)
            time.sleep(0.5)
            idle.append(server.memory_mb())
            private.append(server.memory_mb("RssAnon"))
            starts.append(start_latency(server))
    median = statistics.median
    table.add("ready, empty store", f"{median(ready):.1f} ms")
    table.add("idle memory, all and private", f"{median(idle):.1f} MB, {median(private):.1f} MB")
    table.add("an action is seen to have started after its submission", f"{median(starts):.1f} ms")

    folder = fresh(os.path.join(bench.work, "footprint"))
    text = LIMITS + sections(held_url, 1)
    with Connector(bench.binary, folder, text) as server:
        for token in [server.submit(SYNCHRONIZE) for _ in range(QUEUED)]:
            # The first runs and is stopped; the others never start.
            server.ask(f"action=QueueInfo&QueueName=Fetch&QueueAction=Stop&Token={token}")
    ready = []
    for _ in range(bench.runs):
        with Connector(bench.binary, folder, text) as server:
            ready.append(server.ready_ms)
    table.add(f"ready, after {QUEUED:,} actions", f"{median(ready):.1f} ms")
    table.show("Footprint")


def start_latency(server):
    """From the submission of an action to an idle connector until a client sees it started, in ms."""
    started = time.perf_counter()
    token = server.submit(SYNCHRONIZE + "&Depth=0")
    until(lambda: "<status>Queued</status>" not in server.status(token), "the start of an action", pause=0)
    elapsed = 1000 * (time.perf_counter() - started)
    server.wait(token)
    return elapsed
