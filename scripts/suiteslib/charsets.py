"""Character encodings: labels, declarations in pages and in headers, and the tables."""

import glob
import json
import os
import re

from .world import reply

START = "http://cases.example/"
# The tables name what is encoded, and these become the bytes of another character (Encoding standard, the encoders).
MERGED = {
    "/euc-jp/": str.maketrans("\u00a5\u203e\u2212", "\\~\uff0d"),
    "/shift_jis/": str.maketrans("\u00a5\u203e\u2212", "\\~\uff0d"),
    "/iso-2022-jp/": str.maketrans("\u2212", "\uff0d"),
}


def crawl_bodies(world, bodies):
    """Crawls pages of these bodies and content types; the documents in their order."""
    pages = {f"{START}{number}": reply(body, content_type) for number, (body, content_type) in enumerate(bodies)}
    pages[START] = reply("".join(f"<a href=/{number}>x</a>" for number in range(len(bodies))))
    crawl = world.crawl(START, pages, Depth="1", UrlCantHaveRegex="")
    return [crawl.document(f"{START}{number}") for number in range(len(bodies))]


def charset(document):
    return document and document["fields"].get("CHARSET", [""])[0].lower()


def labels(world, suites, path):
    with open(path, encoding="utf-8") as file:
        table = json.loads(re.search(r"=\s*(\[.*\])", file.read(), re.DOTALL).group(1))
    cases = [(label, encoding["name"]) for part in table for encoding in part["encodings"] for label in encoding["labels"]]
    suite = suites.suite("labels of encodings (web-platform-tests)")
    documents = crawl_bodies(world, [(b"\xc3\xa4", f"text/html; charset={label}") for label, _ in cases])
    for (label, name), document in zip(cases, documents):
        suite.check(f"header {label}", name.lower(), charset(document))
    in_meta = [(label, name) for label, name in cases if name not in ("UTF-16LE", "UTF-16BE", "x-user-defined", "replacement")]
    documents = crawl_bodies(world, [(f"<meta charset={label}>".encode(), "text/html") for label, _ in in_meta])
    for (label, name), document in zip(in_meta, documents):
        suite.check(f"meta {label}", name.lower(), charset(document))


def declarations(world, suites, folder):
    """The encoding cases of html5lib-tests."""
    suite = suites.suite("declarations in pages (html5lib-tests)")
    cases = []
    for path in sorted(glob.glob(os.path.join(folder, "*.dat"))):
        with open(path, "rb") as file:
            parts = file.read().split(b"#data\n")[1:]
        for number, part in enumerate(parts):
            data, _, encoding = part.rpartition(b"\n#encoding\n")
            cases.append((f"{os.path.basename(path)} {number}", data, encoding.split(b"\n")[0].decode().strip().lower()))
    documents = crawl_bodies(world, [(data, "text/html") for _, data, _ in cases])
    for (name, _, encoding), document in zip(cases, documents):
        suite.check(name, encoding, charset(document))


def precedence(world, suites, folder):
    """The W3C's pages about what goes before what; their README tells the encodings."""
    suite = suites.suite("what goes before what (W3C, in Go's x/net)")
    expected = {
        "HTTP-charset.html": ("text/html; charset=iso-8859-15", "iso-8859-15"),
        "HTTP-vs-UTF-8-BOM.html": ("text/html; charset=iso-8859-15", "utf-8"),
        "HTTP-vs-meta-charset.html": ("text/html; charset=iso-8859-15", "iso-8859-15"),
        "HTTP-vs-meta-content.html": ("text/html; charset=iso-8859-15", "iso-8859-15"),
        "No-encoding-declaration.html": ("text/html", "utf-8"),
        "UTF-16BE-BOM.html": ("text/html", "utf-16be"),
        "UTF-16LE-BOM.html": ("text/html", "utf-16le"),
        "UTF-8-BOM-vs-meta-charset.html": ("text/html", "utf-8"),
        "UTF-8-BOM-vs-meta-content.html": ("text/html", "utf-8"),
        "meta-charset-attribute.html": ("text/html", "iso-8859-15"),
        "meta-content-attribute.html": ("text/html", "iso-8859-15"),
    }
    bodies = []
    for name, (content_type, _) in expected.items():
        with open(os.path.join(folder, name), "rb") as file:
            bodies.append((file.read(), content_type))
    for (name, (_, encoding)), document in zip(expected.items(), crawl_bodies(world, bodies)):
        suite.check(name, encoding, charset(document))


def tables(world, suites, folder):
    """Pages with every character of the old encodings of Asia, each with its code point beside it."""
    suite = suites.suite("tables of encodings (web-platform-tests)")
    cases, bodies = [], []
    for path in sorted(glob.glob(os.path.join(folder, "**", "*chars*.html"), recursive=True)):
        with open(path, "rb") as file:
            body = file.read()
        points = re.findall(rb'data-cp="([0-9A-Fa-f ]+)"', body)
        if points and len(body) < 9_000_000:
            text = "".join(chr(int(point, 16)) for each in points for point in each.split())
            text = text.translate(next((merged for part, merged in MERGED.items() if part in path), {}))
            cases.append((os.path.relpath(path, folder), text))
            bodies.append((body, "text/html"))
    squeezed = lambda text: re.sub(r"[\s\u00a0\u00ad]", "", text)
    for (name, text), document in zip(cases, crawl_bodies(world, bodies)):
        suite.check(name, squeezed(text), document and squeezed(document["content"]))
