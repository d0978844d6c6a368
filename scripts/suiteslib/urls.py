"""The URL cases of web-platform-tests, as links of pages."""

import json
import re

from .world import reply

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def canonical(href):
    """What the standard makes of a reference, in the form that this project gives to the names of pages: see src/url.rs."""
    href = href.partition("#")[0]
    href = re.sub(r"^(https?://)[^/?]*@", r"\1", href)
    href = href[:-1] if href.endswith("?") and href.count("?") == 1 else href

    def normal(match):
        character = chr(int(match.group(1), 16))
        return character if character in UNRESERVED else match.group(0).upper()

    # Once, from left to right: what is decoded never starts another encoding.
    return re.sub("%([0-9a-fA-F]{2})", normal, href)


def reply_page(html):
    return reply(html, "text/html; charset=utf-8")


def attribute(text):
    return "".join(f"&#{ord(c)};" if c.isascii() and not c.isalnum() else c for c in text)


def is_text(text):
    """Whether a page can hold it: no halves of surrogates, and no NUL, which no reference means."""
    return not re.search("[\ud800-\udfff\0]", text)


def resolution(world, suites, path):
    with open(path, encoding="utf-8", errors="surrogatepass") as file:
        cases = [case for case in json.load(file) if isinstance(case, dict)]
    taken = []
    for case in cases:
        base, expected = case.get("base"), None if case.get("failure") else case["href"]
        is_web = lambda url: re.match("https?:", url, re.IGNORECASE)
        # A page always has a base: a reference that means nothing without one is no case.
        if (not base or base == "about:blank") and not (expected and is_web(case["input"])):
            continue
        if not base or base == "about:blank":
            # Of another scheme, so that nothing is relative to it.
            base = "http://else.example/" if case["input"].lower().startswith("https") else "https://else.example/"
        if is_text(case["input"] + base):
            taken.append((case["input"], base, expected))
    pages, start = {}, "http://cases.example/"
    for number, (reference, base, _) in enumerate(taken):
        base = attribute(base)
        pages[f"{start}{number}"] = reply_page(f'<base href="{base}"><a href="{attribute(reference)}">x</a>')
    pages[start] = reply_page("".join(f"<a href=/{number}>x</a>" for number in range(len(taken))))
    crawl = world.crawl(start, pages, Depth="1")
    suite = suites.suite("URL resolution (web-platform-tests)")
    for number, (reference, base, expected) in enumerate(taken):
        is_web = expected is not None and re.match("https?:", expected)
        expected = [canonical(expected)] if is_web else []
        # A link from the case to itself is none.
        suite.check(f"{reference!r} on {base}", expected, crawl.links(f"{start}{number}"))


def names(world, suites, path):
    with open(path, encoding="utf-8", errors="surrogatepass") as file:
        cases = [case for case in json.load(file) if isinstance(case, dict) and is_text(case["input"])]
    start = "http://cases.example/"
    pages = {f"{start}{n}": reply_page(f'<a href="https://{attribute(case["input"])}/x">x</a>') for n, case in enumerate(cases)}
    pages[start] = reply_page("".join(f"<a href=/{number}>x</a>" for number in range(len(cases))))
    crawl = world.crawl(start, pages, Depth="1")
    suite = suites.suite("international names (web-platform-tests)")
    for number, case in enumerate(cases):
        expected = [f"https://{case['output']}/x"] if case["output"] is not None else []
        suite.check(f"{case['input']!r}", expected, crawl.links(f"{start}{number}"))
