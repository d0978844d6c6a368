"""Other crawlers, and another job server, installed into the bench's cache when they are asked for."""

import os
import re
import statistics
import subprocess
import sys
import time

from . import measure, sites
from .connector import fresh
from .measure import Table
from .queue import load

SPIDER = """
use spider::tokio;
use spider::tokio::sync::broadcast::error::RecvError;
use spider::website::Website;

#[tokio::main]
async fn main() {
    let mut website = Website::new(&std::env::args().nth(1).expect("usage: peer URL"));
    website.configuration.respect_robots_txt = true;
    let mut pages = website.subscribe(64);
    let counting = tokio::spawn(async move {
        let mut count = 0_u64;
        loop {
            match pages.recv().await {
                Ok(_) => count += 1,
                Err(RecvError::Lagged(missed)) => count += missed,
                Err(RecvError::Closed) => break count,
            }
        }
    });
    website.crawl().await;
    website.unsubscribe();
    println!("{}", counting.await.expect("counting does not fail"));
}
"""

SCRAPY = """
import scrapy

class Site(scrapy.Spider):
    name = "site"
    custom_settings = {"ROBOTSTXT_OBEY": True, "LOG_LEVEL": "ERROR", "TELNETCONSOLE_ENABLED": False}

    def __init__(self, url=None, **kwargs):
        super().__init__(**kwargs)
        self.start_urls = [url]

    def parse(self, response):
        yield {"url": response.url, "title": response.css("title::text").get()}
        for href in response.css("a::attr(href)").getall():
            link = response.urljoin(href)
            if link.startswith(response.urljoin("/")):
                yield response.follow(href, self.parse)
"""


def crawlers(bench):
    """Names of crawlers, each with a function of a URL and the number of its pages that makes a Run."""
    return [("spider (its library, nothing written)", spider(bench)), ("Scrapy (title and URL written)", scrapy(bench))]


def spider(bench):
    folder = os.path.join(bench.cache, "spider")
    program = os.path.join(folder, "target", "release", "peer")
    if not os.path.exists(program):
        print("bench: building spider, which takes minutes", flush=True)
        os.makedirs(os.path.join(folder, "src"), exist_ok=True)
        with open(os.path.join(folder, "Cargo.toml"), "w", encoding="utf-8") as file:
            file.write('[package]\nname = "peer"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
                       '[dependencies]\nspider = { version = "=2.53.9", features = ["sync"] }\n')
        with open(os.path.join(folder, "src", "main.rs"), "w", encoding="utf-8") as file:
            file.write(SPIDER)
        # Spider needs the whole of SQLite; what this package leaves out is set for everything built below its folder.
        environment = dict(os.environ, CARGO_TARGET_DIR=os.path.join(folder, "target"), LIBSQLITE3_FLAGS="")
        subprocess.run(["cargo", "build", "--release", "-q"], cwd=folder, check=True, env=environment)
    return lambda url, pages: measure.command([program, url], pages, folder)


def python(bench):
    """An environment with Scrapy and scrapyd."""
    folder = os.path.join(bench.cache, "python")
    if not os.path.exists(os.path.join(folder, "bin", "scrapyd")):
        print("bench: installing Scrapy and scrapyd", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [os.path.join(folder, "bin", "pip"), "install", "-q", "scrapy", "scrapyd", "setuptools<81"]
        subprocess.run(pip, check=True)
    return os.path.join(folder, "bin")


def scrapy(bench):
    programs = python(bench)
    folder = fresh(os.path.join(bench.work, "scrapy"))
    with open(os.path.join(folder, "whole_site.py"), "w", encoding="utf-8") as file:
        file.write(SCRAPY)
    command = [os.path.join(programs, "scrapy"), "runspider", "whole_site.py", "-O", "pages.jsonl"]

    def run(url, pages):
        done = measure.command([*command, "-a", f"url={url}"], pages, folder)
        with open(os.path.join(folder, "pages.jsonl"), "rb") as file:
            read = sum(1 for _ in file)
        # Pages that only refresh to another one are fetched and not handed on.
        if read < 0.95 * pages:
            raise SystemExit(f"bench: Scrapy read {read} of {pages} pages")
        return done

    return run


def job_server(bench):
    """What scrapyd does for the same questions: its queue is SQLite too, and a job is a process of its own."""
    programs, port = python(bench), sites.free_port()
    folder = fresh(os.path.join(bench.work, "scrapyd"))
    with open(os.path.join(folder, "scrapyd.conf"), "w", encoding="utf-8") as file:
        file.write(f"[scrapyd]\nbind_address = 127.0.0.1\nhttp_port = {port}\nmax_proc = 0\nmax_proc_per_cpu = 0\n")
    os.makedirs(os.path.join(folder, "eggs"))
    server = subprocess.Popen(
        [os.path.join(programs, "scrapyd")], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        started = time.perf_counter()
        sites.wait_for_port(port, 30)
        ready = 1000 * (time.perf_counter() - started)
        with open(f"/proc/{server.pid}/status", encoding="utf-8") as file:
            idle = int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) / 1024
        runs = [load(bench, port, "/daemonstatus.json", word="ok") for _ in range(bench.runs)]
    finally:
        server.terminate()
        server.wait(10)
    table = Table("scrapyd", "figure")
    table.add("ready", f"{ready:.0f} ms")
    table.add("idle memory", f"{idle:.1f} MB")
    medians = [statistics.median(values) for values in zip(*runs)]
    table.add("status, 32 connections", f"{medians[0]:,.0f}/s, p50 {medians[1]:.2f} ms, p99 {medians[2]:.2f} ms")
    table.show("The other job server")
