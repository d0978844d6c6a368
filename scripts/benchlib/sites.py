"""The sites that are crawled: copies of Debian's documentation, closed under their links, and nginx to serve them."""

import os
import posixpath
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

# Package, the folder of its pages, and what is left out: 26,000 pages of SIMD intrinsics, all alike.
DOCS = {
    "R": ("rust-doc", "/usr/share/doc/rust-doc/html", ("core/arch/", "core/core_arch/", "std/arch/")),
    "P": ("python3-doc", "/usr/share/doc/python3-doc/html", ()),
}
# Of a start tag: an attribute that leads somewhere, in quotes or without.
LINK = re.compile(rb"""(\s(?:href|src)\s*=\s*)("([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)


def install(command_or_folder, package):
    """Installs a Debian package if what it brings is missing and this is root; says what to do otherwise."""
    if shutil.which(command_or_folder) or os.path.isdir(command_or_folder):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(f"bench: {package} is missing; on Debian: apt-get install {package}")
    print(f"bench: installing {package}", flush=True)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    subprocess.run(["apt-get", "update", "-qq"], check=True, stdout=subprocess.DEVNULL)
    command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", package]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)


def make(name, cache):
    """Makes the site in `cache`, unless it is there. Returns its folder and how many pages it has.

    Pages are those that index.html leads to. A link to anything else on disk, or to nothing, is made a fragment, so that
    every crawler asks for the same pages and for none that is missing.
    """
    package, source, left_out = DOCS[name]
    folder = os.path.join(cache, f"site-{name}")
    counted = os.path.join(cache, f"site-{name}.pages")
    if os.path.exists(counted):
        with open(counted, encoding="ascii") as file:
            return folder, int(file.read())
    install(source, package)
    print(f"bench: making site {name} from {package}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    met, waiting = {"index.html"}, ["index.html"]
    while waiting:
        page = waiting.pop()
        with open(os.path.join(source, page), "rb") as file:
            content = file.read()

        def keep_or_cut(match, page=page):
            raw = next(group for group in match.groups()[2:] if group is not None)
            link = raw.decode("utf-8", "replace").replace("&amp;", "&")
            if link.startswith("#") or re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//", link):
                return match.group(0)
            path = urllib.parse.unquote(urllib.parse.urlsplit(link).path)
            target = posixpath.normpath(posixpath.join("/", posixpath.dirname(page), path)).lstrip("/")
            is_page = target.endswith(".html") and not target.startswith(left_out or ("\0",))
            if not is_page or not os.path.isfile(os.path.join(source, target)):
                return match.group(1) + b'"#"'
            if target not in met:
                met.add(target)
                waiting.append(target)
            return match.group(0)

        content = LINK.sub(keep_or_cut, content)
        copy = os.path.join(folder, page)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        with open(copy, "wb") as file:
            file.write(content)
    with open(counted, "w", encoding="ascii") as file:
        file.write(str(len(met)))
    return folder, len(met)


NGINX = """
worker_processes 1;
pid {state}/nginx.pid;
error_log {state}/nginx.log;
daemon off;
events {{ worker_connections 2048; }}
http {{
    types {{ text/html html; }}
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path {state}/body; proxy_temp_path {state}/proxy; fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi; scgi_temp_path {state}/scgi;
{servers}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=10):
    """Returns once a connection is accepted; raises if none is in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: nothing listens on port {port} after {seconds} s") from None
            time.sleep(0.002)


class Nginx:
    """Serves folders on loopback, each on a port of its own, with one worker. Ends with the `with` block."""

    def __init__(self, folders, state):
        self.folders, self.state = folders, state
        self.ports = {name: free_port() for name in folders}

    def __enter__(self):
        install("nginx", "nginx-light")
        os.makedirs(self.state, exist_ok=True)
        servers = "".join(
            f"    server {{ listen 127.0.0.1:{self.ports[name]} backlog=1024; root {folder}; }}\n"
            for name, folder in self.folders.items()
        )
        path = os.path.join(self.state, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(NGINX.format(state=self.state, servers=servers))
        self.process = subprocess.Popen(["nginx", "-c", path], stderr=subprocess.DEVNULL)
        for port in self.ports.values():
            wait_for_port(port)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def url(self, name):
        return f"http://127.0.0.1:{self.ports[name]}/index.html"
