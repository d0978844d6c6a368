"""A connector that is measured: started on free ports in a folder of its own, asked over HTTP, read from /proc."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
# An action that has not ended by then has failed.
ACTION_SECONDS_MAX = 3600


class Connector:
    """Ends with the `with` block."""

    def __init__(self, binary, folder, sections="", group=None):
        """`sections` is added to the configuration. `group` is the folder of a control group to run in."""
        self.binary, self.folder, self.sections, self.group = binary, folder, sections, group

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        config = os.path.join(self.folder, "webconnector.cfg")
        with open(config, "w", encoding="utf-8") as file:
            file.write("[Server]\nPort=0\n[Service]\nServicePort=0\n" + self.sections)
        command = [self.binary, "--config", config]
        if self.group:
            enter = f'echo $$ > "{self.group}/cgroup.procs" && exec "$@"'
            command = ["sh", "-c", enter, "sh", *command]
        started = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        ports = re.search(r" aci=\S+:(\d+) service=\S+:(\d+)", line)
        if not ports:
            self.process.kill()
            raise SystemExit(f"bench: {self.binary} did not start: {line!r}")
        self.port = int(ports.group(1))
        self.ask("action=GetPid", expected=None)
        self.ready_ms = 1000 * (time.perf_counter() - started)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, query, expected="SUCCESS"):
        """The reply to one request over a kept connection."""
        if not hasattr(self, "connection"):
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.connection.request("GET", "/" + query)
        reply = self.connection.getresponse().read().decode()
        if expected and f"<response>{expected}</response>" not in reply:
            raise SystemExit(f"bench: {query}: {reply}")
        return reply

    def submit(self, query):
        return re.search("<token>(.*?)</token>", self.ask(query)).group(1)

    def status(self, token):
        return self.ask(f"action=QueueInfo&QueueName=Fetch&QueueAction=GetStatus&Token={token}")

    def wait(self, token, watch=None):
        """Waits for the action's end and returns its last status; `watch` is called with each one before."""
        deadline = time.monotonic() + ACTION_SECONDS_MAX
        while True:
            status = self.status(token)
            word = re.search("<status>(.*?)</status>", status).group(1)
            if word not in ("Queued", "Processing"):
                if word != "Finished":
                    raise SystemExit(f"bench: the action ended as {word}: {status}")
                return status
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: the action has not ended after {ACTION_SECONDS_MAX} s")
            if watch:
                watch(status)
            time.sleep(0.01)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self, what="VmRSS"):
        """`VmHWM` is the peak since the start or since `forget_peak`."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(rf"{what}:\s+(\d+) kB", file.read()).group(1)) / 1024

    def forget_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")


def count(status, name):
    """A count of the action's only task, such as `seen`."""
    found = re.search(rf'{name}="(\d+)"', status)
    return int(found.group(1)) if found else 0


def until(condition, what, seconds=60, pause=0.002):
    """Returns once `condition` holds; ends the bench if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: {what} has not happened after {seconds} s")
        time.sleep(pause)


def fresh(folder):
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder
