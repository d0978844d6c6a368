"""Every host there is: a proxy on loopback that answers for all of them, and a connector that goes through it."""

import glob
import json
import os
import re
import socketserver
import threading
import time
import urllib.parse

from benchlib.connector import Connector

# No case takes longer; one that does has failed.
ACTION_SECONDS_MAX = 600
SECTIONS = """[Actions]
MaximumThreads=4
[FetchTasks]
0=Suite
ProxyHost=127.0.0.1
ProxyPort={port}
MaxRetries=0
RetryDelay=0
PageTimeout=10
SynchronizeThreads=4
MaxPathRepeats=0
MaxUrlLength=8192
StayOnSite=FALSE
LinkFields=TRUE
{settings}[Suite]
Url=http://curl.example/
"""


def reply(body, content_type="text/html", status="200 OK", headers=()):
    """The bytes of an answer."""
    if isinstance(body, str):
        body = body.encode()
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    if content_type:
        head.append(f"Content-Type: {content_type}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


NOT_FOUND = reply("", status="404 Not Found")


class Handler(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self):
        try:
            words = self.rfile.readline(65536).decode("latin-1").split()
            headers = []
            while (line := self.rfile.readline(65536)).strip():
                name, _, value = line.decode("latin-1").partition(":")
                headers.append((name.strip().lower(), value.strip()))
            if len(words) != 3:
                return
            answer = self.server.world.answer(words[1], dict(headers))
            for piece in [answer] if isinstance(answer, bytes) else answer:
                self.wfile.write(piece)
        except OSError:
            # The client's going away is its right.
            pass


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


class Crawl:
    """What came of one action: its documents, and whether each could be had."""

    def __init__(self, status, xml, documents):
        self.status, self.xml, self.documents = status, xml, documents

    def document(self, url):
        return next((each for each in self.documents if each["reference"] == url), None)

    def links(self, url):
        document = self.document(url)
        return None if document is None else document["fields"].get("LINK", [])


class World:
    """Ends with the `with` block. `pages` maps URLs to the bytes of answers, or to functions that make them."""

    def __init__(self, binary, folder, settings=""):
        """`settings` are those of all tasks beside its own."""
        self.binary, self.folder, self.settings = binary, folder, settings
        self.pages, self.asked, self.lock = {}, [], threading.Lock()

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.world = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        sections = SECTIONS.format(port=self.server.server_address[1], settings=self.settings)
        self.connector = Connector(self.binary, self.folder, sections).__enter__()
        return self

    def __exit__(self, *details):
        self.connector.__exit__(*details)
        self.server.shutdown()
        self.server.server_close()

    def answer(self, url, headers):
        with self.lock:
            self.asked.append(url)
            answer = self.pages.get(url, NOT_FOUND)
        return answer(headers) if callable(answer) else answer

    def crawl(self, url, pages, **parameters):
        """Crawls from `url` while the world is what `pages` says."""
        with self.lock:
            self.pages, self.asked = dict(pages), []
        parameters.setdefault("FollowRobotProtocol", "FALSE")
        for file in glob.glob(os.path.join(self.folder, "connector_*")) + glob.glob(os.path.join(self.folder, "output", "*")):
            if os.path.isfile(file):
                os.remove(file)
        query = {"action": "Fetch", "FetchAction": "Synchronize", **({"Url": url} if url else {}), **parameters}
        # A kept connection may have been given up while something else took its time.
        self.connector.__dict__.pop("connection", None)
        token = self.connector.submit("?" + urllib.parse.urlencode(query))
        deadline = time.monotonic() + ACTION_SECONDS_MAX
        while True:
            xml = self.connector.status(urllib.parse.quote(token))
            status = re.search("<status>(.*?)</status>", xml).group(1)
            if status not in ("Queued", "Processing"):
                break
            if time.monotonic() > deadline:
                raise SystemExit(f"suites: the crawl of {url} has not ended after {ACTION_SECONDS_MAX} s")
            time.sleep(0.003)
        documents = []
        for path in glob.glob(os.path.join(self.folder, "output", "*.jsonl")):
            with open(path, encoding="utf-8") as file:
                documents += [json.loads(line) for line in file]
        return Crawl(status, xml, [each for each in documents if each["change"] == "add"])
