"""A monitor of connectors, as third parties write them: requests if it is there, and ElementTree.

Usage: monitor.py HOST:PORT THREADS REQUESTS
Starts a fetch with a multipart body, waits for its end, then polls from many threads. Prints what it saw as JSON.
"""

import json
import sys
import time
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

try:
    import requests
except ImportError:
    requests = None

BASE = "http://" + sys.argv[1]
THREADS, REQUESTS = int(sys.argv[2]), int(sys.argv[3])


def get(path):
    if requests:
        answer = requests.get(BASE + path, timeout=60)
        status, kind, text = answer.status_code, answer.headers["Content-Type"], answer.content
    else:
        with urllib.request.urlopen(BASE + path, timeout=60) as answer:
            status, kind, text = answer.status, answer.headers["Content-Type"], answer.read()
    assert status == 200, status
    return kind, text


def post_parts(path, parts):
    """The action stays in the path, without a question mark; what else there is are files."""
    if requests:
        files = {name: (name + ".txt", text.encode()) for name, text in parts.items()}
        answer = requests.post(BASE + path, files=files, timeout=60)
        assert answer.status_code == 200, answer.status_code
        return answer.content
    boundary = uuid.uuid4().hex
    body = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s.txt"\r\n\r\n%s\r\n'
        % (boundary.encode(), name.encode(), name.encode(), text.encode())
        for name, text in parts.items()
    )
    body += b"--%s--\r\n" % boundary.encode()
    kind = "multipart/form-data; boundary=" + boundary
    request = urllib.request.Request(BASE + path, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200, answer.status
        return answer.read()


def status_of(token):
    query = "/a=Queueinfo&queueaction=getstatus&queuename=fetch&Token=" + urllib.parse.quote(token, safe="")
    kind, text = get(query)
    assert kind.lower().startswith("text/xml"), kind
    root = ET.fromstring(text)
    assert root.tag == "autnresponse" and [child.tag for child in root] == ["action", "response", "responsedata"]
    assert root.find("response").text == "SUCCESS", text
    action = root.find("./responsedata/actions/action")
    assert action.find("token").text == token
    seen = {"status": action.find("status").text}
    seen["counts"] = [dict(count.attrib) for count in action.findall("./documentcounts/documentcount")]
    # Absent while it runs.
    end = action.find("process_end_time")
    if end is not None:
        begin = action.find("process_start_time").text
        form = "%Y-%b-%d %H:%M:%S"
        took = time.mktime(time.strptime(end.text, form)) - time.mktime(time.strptime(begin, form))
        assert took == int(action.find("time_processing").text), text
    return seen


def poll(token):
    for _ in range(600):
        seen = status_of(token)
        if seen["status"] in ("Finished", "Error"):
            return seen
        time.sleep(0.05)
    raise SystemExit("it does not end: %s" % seen)


def worker(token):
    for _ in range(REQUESTS):
        assert status_of(token)["status"] == "Finished"
    return REQUESTS


started = ET.fromstring(post_parts("/action=fetch&fetchaction=synchronize", {"TaskSections": "docs", "UserAgent": "é"}))
token = started.find("./responsedata/token").text
ended = poll(token)

with ThreadPoolExecutor(THREADS) as pool:
    polled = sum(pool.map(worker, [token] * THREADS))

_, text = get("/action=nonsense")
error = ET.fromstring(text).find("./responsedata/error")
fields = [child.tag for child in error]
time.strptime(error.find("errortime").text, "%d %b %y %H:%M:%S")
_, text = get("/action=getversion&responseformat=simplejson")
version = json.loads(text)["autnresponse"]["responsedata"]["version"]
print(json.dumps({"ended": ended, "polled": polled, "error": fields, "version": version}))
