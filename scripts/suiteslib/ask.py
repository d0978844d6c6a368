"""Other projects' own tests, run unchanged, with the connector answering in them or beside them."""

import base64
import codecs
import http.server
import json
import os
import re
import subprocess
import threading
import urllib.parse

from .urls import canonical
from .world import reply

HERE = os.path.dirname(os.path.abspath(__file__))


def plain(url):
    """There is no TLS in this world."""
    return re.sub("^https:", "http:", url)


# Without pages that chance makes up, for the limits of w3lib's own patterns.
W3LIB = ["tests/test_html.py", "tests/test_encoding.py", "-k", "not TestMaxScan"]
# Part, title, package, its tests, what listens in them, and whether they judge or only bring cases.
RUNS = (
    ("robots", "robots.txt (Protego)", "protego", ["tests/test_protego.py", "tests/test_on_google_spec.py"], "instead_of_protego", True),
    ("robots", "robots.txt (Google, in gpyrobotstxt)", "gpyrobotstxt", ["test/test_google_only_system.py"], "instead_of_google", True),
    ("robots", "robots.txt (Scrapy)", "scrapy", ["tests/test_robotstxt_interface.py"], "instead_of_protego", True),
    ("links", "links (Scrapy)", "scrapy", ["tests/test_linkextractors.py"], "beside_links", False),
    ("links", "bases, refreshes, encodings (w3lib)", "w3lib", W3LIB, "beside_pages", False),
    ("sitemaps", "sitemaps (Scrapy)", "scrapy", ["tests/test_utils_sitemap.py"], "beside_sitemaps", False),
)


class Answers(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for name in ("robots", "body"):
            if isinstance(question.get(name), str):
                question[name] = base64.b64decode(question[name])
        listener = self.server.listener
        with listener.lock:
            answer = getattr(listener, question.pop("operation"))(question.pop("test"), **question)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


class Listener:
    """One run of a project's tests."""

    def __init__(self, world, suite, python, is_judged_by_outcome):
        self.world, self.suite, self.python, self.by_outcome = world, suite, python, is_judged_by_outcome
        self.lock, self.asked_in = threading.Lock(), set()

    def run(self, folder, tests, listen, deselect=()):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        server.listener = self
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = dict(
            os.environ, SUITES_PORT=str(server.server_address[1]), SUITES_LISTEN=listen, PYTHONPATH=os.path.dirname(HERE),
            PYTHONDONTWRITEBYTECODE="1",
        )
        command = [self.python, "-m", "pytest", "-q", "-p", "suiteslib.listen", "-p", "no:cacheprovider", *tests]
        command += [part for name in deselect for part in ("--deselect", name)]
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False)
        server.shutdown()
        if ended.returncode not in (0, 1):
            raise SystemExit(f"suites: the tests of {folder} could not be run:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")

    # Questions.

    def outcome(self, _, node, passed, why):
        """Where the connector answers instead of the project, its tests judge. Those that never ask it judge nothing."""
        if self.by_outcome and node in self.asked_in:
            self.suite.check(node, "passes", "passes" if passed else why)

    def robots(self, test, robots, agent, url):
        self.asked_in.add(test)
        # The same under another name, which is not encrypted.
        path = re.sub("^([a-z]+:)?//[^/?#]*", "", url, flags=re.IGNORECASE).partition("#")[0]
        page = "http://robots.example" + (path if path.startswith("/") else "/" + path)
        self.crawl_with_robots(robots, agent, page)
        rules = "http://robots.example/robots.txt"
        return page == rules or any(each != rules for each in self.world.asked)

    def crawl_delay(self, test, robots, agent):
        self.asked_in.add(test)
        crawl = self.crawl_with_robots(robots, agent, "http://robots.example/robots.txt")
        wanted = re.search(r"robots.example wants ([0-9.e-]+) s between", crawl.xml)
        return float(wanted.group(1)) if wanted else None

    def crawl_with_robots(self, robots, agent, page):
        pages = {"http://robots.example/robots.txt": reply(robots, "text/plain")}
        return self.world.crawl(page, pages, FollowRobotProtocol="TRUE", UserAgent=agent or "nobody", Depth="0")

    def page(self, url, body, kind):
        """Crawls one page, which is not encrypted whatever its name; its links, and its name."""
        url = canonical(plain(url))
        url = url if urllib.parse.urlsplit(url).path else re.sub(r"^(http://[^?]*)", r"\1/", url)
        return self.world.crawl(url, {url: reply(body, kind)}, Depth="0").links(url) or []

    def links(self, test, url, body, kind, theirs):
        web = {plain(canonical(link)) for link in theirs if link.startswith(("http:", "https:"))}
        self.suite.check(f"{test} {url}", sorted(web), sorted(map(plain, set(self.page(url, body, kind)))))

    def sitemap(self, test, body, kind, theirs):
        url = "http://sitemaps.example/sitemap.xml"
        self.world.crawl(None, {url: reply(body, "text/xml")}, SitemapUrl=url, IgnoreSitemapScopeErrors="TRUE")
        ours = {each for each in self.world.asked if each != url}
        web = [canonical(urllib.parse.urljoin(url, each)) for each in theirs]
        web = {each if urllib.parse.urlsplit(each).path else each + "/" for each in web if each.startswith("http:")}
        self.suite.check(f"{test} {kind}", sorted(web), sorted(ours))

    def base(self, test, body, url, theirs):
        if not url.startswith(("http:", "https:")):
            return
        links = self.page(url, b"<a href=suite-probe>x</a>" + body, "text/html; charset=utf-8")
        found = next((plain(each) for each in links if "suite-probe" in each), None)
        expected = plain(canonical(urllib.parse.urljoin(theirs, "suite-probe")))
        self.suite.check(f"{test} {body[:80]!r}", expected, found)

    def refresh(self, test, body, url, theirs, plain_call):
        if not plain_call or not url.startswith(("http:", "https:")):
            return
        links = self.page(url, body, "text/html; charset=utf-8")
        expected = [plain(canonical(theirs))] if theirs else []
        self.suite.check(f"{test} {body[:160]!r}", expected, list(map(plain, links)))

    def charset(self, test, body, kind, theirs):
        url = "http://charsets.example/"
        kind = re.sub("(?i)^content-type: ", "", kind or "text/html")
        crawl = self.world.crawl(url, {url: reply(body, kind)}, Depth="0")
        document = crawl.document(url)
        ours = document and document["fields"].get("CHARSET", ["none"])[0]

        def name(label):
            try:
                return codecs.lookup(label).name
            except (LookupError, TypeError):
                return label

        self.suite.check(f"{test} {kind} {body[:80]!r}", name(theirs), name(ours))
