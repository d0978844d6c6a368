"""The answers of servers in curl's tests, well-formed and not: each is fetched by `action=View`, whose bytes are those of the body."""

import base64
import glob
import http.client
import os
import re
import urllib.parse

# Of the command line, what changes nothing about the body.
PLAIN = re.compile(r"^(-i|--include|-[D] \S+|--dump-header \S+|-s|-sS|-v|--compressed|--http1.[01]|-0|-A \S+|-H \S+)$")


def section(text, name):
    found = re.search(rf"<{name}(\s[^>]*)?>\r?\n?(.*?)</{name}>", text, re.DOTALL)
    return (found.group(1) or "", found.group(2)) if found else (None, None)


def filled_in(text):
    """Without conditions, which ask for features of curl: all that it can have are taken to be there but for one."""
    lines, taken = [], [True]
    for line in text.split("\n"):
        word = line.strip()
        if word.startswith("%if "):
            taken.append("hyper" not in word or "!hyper" in word)
        elif word == "%else":
            taken[-1] = not taken[-1]
        elif word == "%endif":
            taken.pop()
        elif all(taken):
            lines.append(line)
    unquoted = lambda text: urllib.parse.unquote_to_bytes(text).decode("latin-1")
    text = "\n".join(lines)
    text = re.sub(r"%repeat\[(\d+) x (.*?)\]%", lambda m: unquoted(m.group(2)) * int(m.group(1)), text)
    return re.sub(r"%hex\[(.*?)\]hex%", lambda m: unquoted(m.group(1)), text, flags=re.DOTALL)


def body_of(attributes, text):
    data = filled_in(text)
    if "base64" in attributes:
        data = base64.b64decode(data).decode("latin-1")
    if "nonewline" in attributes and data.endswith("\n"):
        data = data[:-1]
    return data


def cases(folder):
    """Name, path, bytes of the answer, and the body that curl prints, or None if it fails."""
    for path in sorted(glob.glob(os.path.join(folder, "test[0-9]*"))):
        with open(path, encoding="latin-1", newline="") as file:
            text = file.read()
        _, keywords = section(text, "keywords")
        _, servers = section(text, "server")
        command_attributes, command = section(text, "command")
        attributes, data = section(text, "data")
        if not all((keywords, servers, command, data)) or command_attributes.strip() or servers.split() != ["http"]:
            continue
        words = {word.strip() for word in keywords.split("\n")}
        if "HTTP" not in words or words & {"HTTP POST", "HTTP PUT", "HTTP HEAD"} or "<data1" in text or "<tool>" in text:
            continue
        found = re.search(r"(?<!\S)(?:http://)?%HOSTIP:%HTTPPORT(/\S*)", command)
        if not found or command.count("%HTTPPORT") != 1:
            continue
        rest = re.split(r"\s+(?=-)", (command[: found.start()] + command[found.end():]).strip())
        if any(part and not PLAIN.match(part.strip()) for part in rest):
            continue
        number = os.path.basename(path)[4:]
        target = found.group(1).replace("%TESTNUMBER", number).strip("\"'").partition("#")[0]
        check_attributes, check = section(text, "datacheck")
        shown = body_of(check_attributes, check) if check else body_of(attributes, data)
        answer = body_of(attributes, data)
        _, code = section(text, "errorcode")
        status = re.match(r"HTTP/\S+ (\d{3})", answer)
        if not status or not 200 <= int(status.group(1)) < 300 or "%" in target:
            continue
        # What follows the head of the last answer.
        body = re.split(r"\r?\n\r?\n", shown, maxsplit=1)
        body = body[1] if len(body) == 2 else ""
        fails = code is not None and code.strip() not in ("0", "")
        yield f"test{number}", target, answer.encode("latin-1"), None if fails else body.encode("latin-1")


def answers(world, suites, folder):
    suite = suites.suite("answers of servers (curl)")
    for name, target, answer, expected in cases(folder):
        url = "http://curl.example" + target
        with world.lock:
            world.pages, world.asked = {url: answer}, []
        identifier = base64.b64encode(f'<id s="SUITE" r="{url.replace("&", "&amp;")}"/>'.encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", world.connector.port, timeout=60)
        connection.request("GET", "/?action=View&" + urllib.parse.urlencode({"Identifier": identifier, "NoACI": "FALSE"}))
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        found = re.search(rb"<response>SUCCESS</response>.*<content(?:/>|>([^<]*)<)", body, re.DOTALL)
        suite.check(name, expected, base64.b64decode(found.group(1) or b"") if found else None)
