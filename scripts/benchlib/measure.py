"""Measured runs, and the table that they become."""

import os
import statistics
import subprocess
import time

# A run that takes longer has hung.
RUN_SECONDS_MAX = 1800


class Run:
    """Wall and CPU seconds and peak memory in MB of one run over `pages` pages."""

    def __init__(self, pages, wall, cpu, memory):
        self.pages, self.wall, self.cpu, self.memory = pages, wall, cpu, memory


def command(arguments, pages, folder, ok=(0,)):
    """Runs a program to its end and measures it with all its children."""
    started = time.perf_counter()
    process = subprocess.Popen(
        ["timeout", "-k", "5", str(RUN_SECONDS_MAX), *arguments],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in ok:
        raise SystemExit(f"bench: {' '.join(arguments)} ended with {process.returncode}")
    return Run(pages, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def interleaved(contenders, runs):
    """Runs each of `contenders`, a name and a function that returns a Run, once a round. Returns the runs of each."""
    results = {name: [] for name, _ in contenders}
    for _ in range(runs):
        for name, run in contenders:
            results[name].append(run())
    return results


class Table:
    """Prints rows below headings, as Markdown, each column as wide as it needs to be."""

    def __init__(self, *headings):
        self.rows = [headings]

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def add_runs(self, name, runs):
        median = statistics.median
        walls = [run.wall for run in runs]
        self.add(
            name,
            len(runs),
            f"{median(walls):.2f} ({min(walls):.2f}-{max(walls):.2f})",
            f"{median(run.pages / run.wall for run in runs):,.0f}",
            f"{median(1000 * run.cpu / run.pages for run in runs):.2f}",
            f"{median(run.memory for run in runs):.1f}",
        )

    def show(self, title):
        widths = [max(len(row[column]) for row in self.rows) for column in range(len(self.rows[0]))]
        print(f"\n## {title}\n")
        for number, row in enumerate(self.rows):
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
            if number == 0:
                print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
        print(flush=True)


def runs_table():
    return Table("crawler", "runs", "wall s, median (min-max)", "pages/s", "CPU s/1000 pages", "peak MB")
