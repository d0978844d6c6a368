"""A plugin of pytest: has the connector answer beside, or instead of, the project whose tests run.

Runs in the interpreter of those tests; questions go to ask.py over a socket on loopback.
"""

import base64
import http.client
import json
import os

CURRENT = {"test": ""}


def ask(operation, **arguments):
    arguments = {name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in arguments.items()}
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["SUITES_PORT"]), timeout=120)
    connection.request("POST", "/", json.dumps({"operation": operation, "test": CURRENT["test"], **arguments}))
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def pytest_runtest_setup(item):
    CURRENT["test"] = item.nodeid


def pytest_runtest_logreport(report):
    if report.when == "call":
        ask("outcome", node=report.nodeid, passed=report.passed, why=str(report.longrepr)[-400:] if report.failed else "")


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def instead_of_protego():
    """Its robots.txt is read by the connector; what that does not know (Host, Request-rate, ...) stays Protego's."""
    from protego import Protego

    parse = Protego.parse.__func__

    def with_source(cls, content):
        made = parse(cls, content)
        made.source = as_bytes(content)
        return made

    Protego.parse = classmethod(with_source)
    Protego.can_fetch = lambda self, url, agent: ask("robots", robots=self.source, agent=agent, url=url)
    Protego.crawl_delay = lambda self, agent: ask("crawl_delay", robots=self.source, agent=agent)


def instead_of_google():
    from gpyrobotstxt.robots_cc import RobotsMatcher

    def allowed(self, robots, agent, url):
        return ask("robots", robots=as_bytes(robots), agent=agent, url=url)

    RobotsMatcher.one_agent_allowed_by_robots = allowed
    RobotsMatcher.allowed_by_robots = lambda self, robots, agents, url: allowed(self, robots, agents[0], url)


def beside_links():
    """Links of pages, where the tests take Scrapy's extractor as it comes."""
    from scrapy.linkextractors.lxmlhtml import LxmlLinkExtractor

    make, extract = LxmlLinkExtractor.__init__, LxmlLinkExtractor.extract_links

    def remember(self, *arguments, **named):
        self.is_plain = not arguments and not named
        make(self, *arguments, **named)

    def listen(self, response):
        links = extract(self, response)
        if getattr(self, "is_plain", False):
            kind = response.headers.get("Content-Type", b"").decode() or f"text/html; charset={response.encoding}"
            ask("links", url=response.url, body=response.body, kind=kind, theirs=[link.url for link in links])
        return links

    LxmlLinkExtractor.__init__, LxmlLinkExtractor.extract_links = remember, listen


def beside_sitemaps():
    from scrapy.utils.sitemap import Sitemap

    make, iterate = Sitemap.__init__, Sitemap.__iter__
    sources = {}

    def remember(self, xml, *rest, **named):
        sources[id(self)] = as_bytes(xml)
        make(self, xml, *rest, **named)

    def listen(self):
        for_all = list(iterate(self))
        ask("sitemap", body=sources[id(self)], kind=self.type, theirs=[entry["loc"] for entry in for_all if "loc" in entry])
        return iter(for_all)

    Sitemap.__init__, Sitemap.__iter__ = remember, listen


def beside_pages():
    """Bases and refreshes of pages, and their encodings."""
    from w3lib import encoding, html

    base, refresh, decode = html.get_base_url, html.get_meta_refresh, encoding.html_to_unicode

    def listen_base(text, baseurl="", *rest):
        found = base(text, baseurl, *rest)
        ask("base", body=as_bytes(text), url=as_bytes(baseurl).decode(), theirs=found)
        return found

    def listen_refresh(text, baseurl="", *rest, **named):
        found = refresh(text, baseurl, *rest, **named)
        ask("refresh", body=as_bytes(text), url=as_bytes(baseurl).decode(), theirs=found[1], plain_call=not rest and not named)
        return found

    def listen_decode(header, body, *rest, **named):
        found = decode(header, body, *rest, **named)
        if isinstance(body, bytes) and not rest and not named:
            ask("charset", body=body, kind=header, theirs=found[0])
        return found

    html.get_base_url, html.get_meta_refresh, encoding.html_to_unicode = listen_base, listen_refresh, listen_decode


for name in os.environ.get("SUITES_LISTEN", "").split():
    globals()[name]()
