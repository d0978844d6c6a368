"""Whole sites, served by nginx: the pages that the connector finds and those that `wget -r` finds."""

import os
import re
import subprocess
import urllib.parse

from benchlib import sites

# Package and the folder of its pages.
PACKAGES = {
    "python3.11-doc": "/usr/share/doc/python3.11/html",
    "postgresql-doc-15": "/usr/share/doc/postgresql-doc-15/html",
    "apache2-doc": "/usr/share/doc/apache2-doc/manual",
    "debian-handbook": "/usr/share/doc/debian-handbook/html",
    "libboost1.81-doc": "/usr/share/doc/libboost1.81-doc",
    "rust-doc": "/usr/share/doc/rust-doc/html",
}


def compare(world, suites, packages, work):
    sites.install("wget", "wget")
    folders = {}
    for package in packages:
        sites.install(PACKAGES[package], package)
        folders[package] = os.path.realpath(PACKAGES[package])
    with sites.Nginx(folders, os.path.join(work, "nginx")) as nginx:
        for package in packages:
            url = nginx.url(package)
            if not os.path.exists(os.path.join(folders[package], "index.html")):
                url = url.replace("index.html", first_page(folders[package]))
            theirs = wget(url, os.path.join(work, "wget-" + package))
            crawl = world.crawl(url, {}, StayOnSite="TRUE", UrlCantHaveRegex="", SynchronizeThreads="8", LinkFields="FALSE")
            ours = {each["reference"] for each in crawl.documents if each["fields"]["CONTENT-TYPE"] == ["text/html"]}
            # That is what wget calls the page of a folder.
            ours = {page + "index.html" if page.endswith("/") else page for page in ours}
            suite = suites.suite(f"pages of {package} (wget -r)")
            for page in sorted(theirs | ours):
                name = page.replace(url.rpartition("/")[0], "")
                suite.check(name, page in theirs, page in ours)


def first_page(folder):
    """A page to begin with, where there is no index.html: the one nearest to the root that has that name."""
    found = []
    for place, _, files in os.walk(folder):
        found += [os.path.join(place, name) for name in files if name == "index.html"]
    return os.path.relpath(min(found, key=lambda path: (path.count("/"), path)), folder)


def wget(url, folder):
    """The pages that it saves, by their URLs."""
    command = ["wget", "-q", "-r", "-l", "inf", "--no-parent", "-R", "css,js,png,svg,gif,jpg,woff,woff2,ico,pdf", "-P", folder, url]
    subprocess.run(command, check=False, timeout=900)
    host = url.split("/")[2]
    pages = set()
    for place, _, files in os.walk(os.path.join(folder, host)):
        for name in files:
            if name.partition("?")[0].endswith((".html", ".htm")):
                path = os.path.relpath(os.path.join(place, name), os.path.join(folder, host))
                pages.add(f"http://{host}/{urllib.parse.quote(path, safe='/:@!$&()*+,;=~?')}")
    return pages


def oracle(suites, named):
    """What is read from pages against the tree that html5ever builds of them, by scripts/oracle: packages and folders."""
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "oracle")
    for each in named:
        ended = subprocess.run([script, each], capture_output=True, text=True, check=False)
        total = re.search(r"^(\d+) pages, (\d+) differ$", ended.stdout, re.MULTILINE)
        if not total:
            raise SystemExit(f"suites: scripts/oracle {each} failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
        title = "documents (html5lib-tests)" if os.path.isabs(each) else f"text, title and links of {each} (html5ever)"
        suite = suites.suite(title)
        suite.agree(int(total.group(1)) - int(total.group(2)))
        for page in re.split(r"(?m)^(?=/)", ended.stdout)[1:]:
            name, _, difference = page.partition(":\n")
            suite.check(os.path.basename(name), "the same", difference.split("\n\n")[0])
