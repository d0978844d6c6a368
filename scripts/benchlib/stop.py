"""How soon a Stop and a shutdown have their effect: over servers that mean harm, and under full load."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

from .connector import Connector, fresh, until
from .crawls import Generated
from .measure import Table

ROUNDS = 24
CLIENTS = 32
CRAWLS = 4
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


class Hostile:
    """A server that answers robots.txt with 404 and everything else as `do` does. Ends with the `with` block."""

    def __init__(self, do):
        self.do, self.reached = do, threading.Semaphore(0)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def wait(self, token):
        """Until what `token` names has asked for its page."""
        if not self.reached.acquire(timeout=30):
            raise SystemExit(f"bench: {token} has not asked for its page")

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                while request := connection.recv(65536):
                    if request.startswith(b"GET /robots.txt "):
                        connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
                        continue
                    self.reached.release()
                    self.do(connection)
            except OSError:
                return


def says(start, again=b"", pause=0.0):
    """Sends `start`, and then `again` for as long as it is read, or nothing any more."""

    def do(connection):
        connection.sendall(start)
        while again:
            connection.sendall(again)
            if pause:
                time.sleep(pause)

    return do


PHASES = (
    ("says nothing", says(b"")),
    ("stops in the head", says(b"HTTP/1.1 200 OK\r\nContent-")),
    ("drips a head", says(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", 0.02)),
    ("stops in the body", says(HEAD + b"Content-Length: 1000000\r\n\r\n<p>x")),
    ("drips a body", says(HEAD + b"\r\n", b"<p>x", 0.02)),
    ("never ends the body", says(HEAD + b"\r\n", b"<p>" + b"x" * 8189)),
    ("drips chunks", says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", 0.02)),
    ("asks to come back in an hour", says(b"HTTP/1.1 503 No\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n")),
)

TASK = "PageTimeout=3600\nConnectTimeout=3600\nMaxPageSize=1073741824\nMaxRetries=20\nRetryDelay=600\nMaxRedirects=100\n"


def queue_info(what, token=None):
    return f"action=QueueInfo&QueueName=Fetch&QueueAction={what}" + (f"&Token={token}" if token else "")


def stop_ms(server, token, twice=False):
    """From the Stop until a client sees the action stopped."""
    started = time.perf_counter()
    server.ask(queue_info("Stop", token))
    if twice:
        # It may have ended by now, which the reply says.
        server.ask(queue_info("Stop", token), expected=None)
    until(lambda: "<status>Stopped</status>" in server.status(token), "the end of a stopped action", pause=0)
    return 1000 * (time.perf_counter() - started)


def synchronize(task):
    return f"action=Fetch&FetchAction=Synchronize&TaskSections={task}"


def sees_pages(server, token):
    return re.search(r' seen="[1-9]', server.status(token))


def row(table, name, times):
    times = sorted(times)
    at = lambda part: times[min(int(len(times) * part), len(times) - 1)]  # noqa: E731
    table.add(name, len(times), f"{at(0.5):.1f}", f"{at(0.99):.1f}", f"{times[-1]:.1f}")


def stop(bench):
    table = Table("Stop to Stopped while the site ...", "times", "median ms", "p99 ms", "slowest ms")
    every = hostile(bench, table)
    row(table, "any of these", every)
    loaded(bench, table)
    table.show("Stop")
    table = Table("from SIGTERM to the end", "times", "median ms", "p99 ms", "slowest ms")
    shutdowns(bench, table)
    table.show(f"Shutdown while {CRAWLS} crawls go at full speed and {CLIENTS} clients poll")


def hostile(bench, table):
    every = []

    def phase(name, server, task, reached):
        times = []
        for number in range(ROUNDS):
            token = server.submit(synchronize(task))
            reached(token)
            times.append(stop_ms(server, token, twice=number % 2 == 1))
        row(table, name, times)
        every.extend(times)

    servers = [(name, Hostile(do)) for name, do in PHASES]
    silent = [(name, Hostile(lambda _: None)) for name in ("does not speak TLS", "does not accept")]
    tasks = "".join(f"[T{n}]\nUrl=http://{server.address}/\n{TASK}" for n, (_, server) in enumerate(servers))
    tls, full = silent[0][1], silent[1][1]
    tasks += f"[Tls]\nUrl=https://{tls.address}/\n{TASK}[Full]\nUrl=http://{full.address}/\n{TASK}"
    tasks += f"[Pause]\nUrl=http://{servers[0][1].address}/\nPageDelay=3600\n{TASK}"
    listed = [f"T{n}" for n in range(len(servers))] + ["Tls", "Full", "Pause"]
    text = "[FetchTasks]\n" + "".join(f"{n}={name}\n" for n, name in enumerate(listed)) + tasks
    with Connector(bench.binary, fresh(os.path.join(bench.work, "stop")), text) as server:
        for number, (name, hostile_server) in enumerate(servers):
            with hostile_server:
                phase(name, server, f"T{number}", hostile_server.wait)
        # Connections are made by the kernel, and nobody takes the hello.
        held = []

        def takes_connection(_):
            held.append(tls.listener.accept()[0])
            held[-1].recv(1)

        phase(silent[0][0], server, "Tls", takes_connection)
        # No room for one more: what is sent to it is dropped.
        full.listener.listen(0)
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(full.listener.getsockname())
        phase(silent[1][0], server, "Full", lambda token: is_processing(server, token))
        for one in held + fill:
            one.close()
        phase("is asked once an hour", server, "Pause", lambda token: is_processing(server, token))
    return every


def is_processing(server, token):
    until(lambda: "<status>Processing</status>" in server.status(token), "the start of an action")
    time.sleep(0.02)


class Loaded:
    """A connector with crawls at full speed and clients that poll. Ends with the `with` block."""

    def __init__(self, bench, url, seconds):
        self.bench, self.seconds = bench, seconds
        names = [f"C{number}" for number in range(CRAWLS)]
        listed = "".join(f"{number}={name}\n" for number, name in enumerate(names))
        sections = "".join(f"[{name}]\nUrl={url}\nSynchronizeThreads=16\n" for name in names)
        self.text = f"[Actions]\nMaximumThreads={CRAWLS}\n[FetchTasks]\n{listed}{sections}"

    def __enter__(self):
        self.server = Connector(self.bench.binary, fresh(os.path.join(self.bench.work, "loaded")), self.text)
        self.server.__enter__()
        self.tokens = [self.submit(number) for number in range(CRAWLS)]
        command = [self.bench.helper("load"), str(self.server.port), str(CLIENTS), str(self.seconds)]
        command += ["/" + queue_info("GetStatus", self.tokens[0]), "SUCCESS"]
        self.load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.load.kill()
        self.load.wait()
        self.server.__exit__()

    def submit(self, number):
        token = self.server.submit(synchronize(f"C{number}"))
        until(lambda: sees_pages(self.server, token), "the first page of a crawl")
        return token


def loaded(bench, table):
    with Generated(bench, 1_000_000, 0) as site, Loaded(bench, site.url, 60) as under:
        times = []
        for round_number in range(ROUNDS):
            number = round_number % CRAWLS
            times.append(stop_ms(under.server, under.tokens[number], twice=round_number % 2 == 1))
            under.tokens[number] = under.submit(number)
    row(table, f"is crawled at full speed, as {CRAWLS - 1} others, with {CLIENTS} clients polling", times)


def shutdowns(bench, table):
    terminate = lambda server: server.process.send_signal(signal.SIGTERM)  # noqa: E731
    post = lambda under: threading.Thread(target=stop_all, args=(under,))  # noqa: E731

    def once(under):
        terminate(under.server)

    def twice(under):
        terminate(under.server)
        time.sleep(0.005)
        terminate(under.server)

    def after_stops(under):
        stop_all(under)
        terminate(under.server)

    def before_stops(under):
        thread = post(under)
        terminate(under.server)
        thread.start()
        thread.join()

    with Generated(bench, 1_000_000, 0) as site:
        for name, how in (("once", once), ("twice", twice), ("after a Stop of all", after_stops),
                          ("with a Stop of all right behind", before_stops)):
            times = []
            for _ in range(max(ROUNDS // 4, 1)):
                with Loaded(bench, site.url, 60) as under:
                    started = time.perf_counter()
                    how(under)
                    code = under.server.process.wait(30)
                    times.append(1000 * (time.perf_counter() - started))
                    if code:
                        raise SystemExit(f"bench: the connector ended with {code}")
            row(table, name, times)


def stop_all(under):
    """As a client does that does not care whether the server is about to end."""
    try:
        with socket.create_connection(("127.0.0.1", under.server.port), 2) as client:
            client.sendall(f"GET /{queue_info('Stop')} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
            client.settimeout(5)
            while client.recv(65536):
                pass
    except OSError:
        pass
