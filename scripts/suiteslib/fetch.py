"""Other projects' sources, as their registries publish them. Each is fetched once."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile

# Of PyPI, whose sources these are. Newer ones may differ in more than is argued for.
PYPI = {
    "protego": "0.7.0",
    "gpyrobotstxt": "1.0.0",
    "scrapy": "2.19.0",
    "w3lib": "2.5.0",
    "html5lib": "1.1",
}
# What is unpacked of a large one.
PARTS = {"nodejs": "test/fixtures/wpt/"}


def run(command, **how):
    ended = subprocess.run(command, capture_output=True, text=True, check=False, **how)
    if ended.returncode != 0:
        raise SystemExit(f"suites: {' '.join(command)} failed:\n{ended.stdout[-1000:]}{ended.stderr[-2000:]}")


class Sources:
    def __init__(self, cache):
        self.cache = cache

    def wpt(self, path):
        """A part of web-platform-tests, of which Node.js brings copies."""
        return os.path.join(self.debian("nodejs", "test/fixtures/wpt"), path)

    def html5lib(self, folder):
        return os.path.join(self.pypi("html5lib"), "html5lib/tests/testdata", folder)

    def debian(self, package, folder):
        """A folder of a Debian source package."""
        place = os.path.join(self.cache, "debian", package)
        if not os.path.exists(place):
            self.fetch_debian(package, place)
        found = glob.glob(os.path.join(place, "*", folder))
        if not found:
            raise SystemExit(f"suites: Debian's {package} has no {folder}")
        return found[0]

    def fetch_debian(self, package, place):
        print(f"suites: fetching the source of Debian's {package}", flush=True)
        if not shutil.which("apt-get"):
            raise SystemExit(f"suites: the source of Debian's {package} is needed, in {place}")
        # Lists of our own: sources are none of what this machine installs from.
        apt = os.path.join(self.cache, "apt")
        lists, parts = os.path.join(apt, "lists"), os.path.join(apt, "sources.list.d")
        options = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Etc::SourceParts={parts}", "-o", "Dir::Etc::SourceList=/dev/null"]
        if not os.path.exists(lists):
            os.makedirs(os.path.join(lists, "partial"))
            os.makedirs(parts, exist_ok=True)
            for path in glob.glob("/etc/apt/sources.list.d/*") + ["/etc/apt/sources.list"]:
                if os.path.isfile(path):
                    with open(path, encoding="utf-8") as file:
                        text = file.read()
                    if "debian" in text:
                        text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", re.sub(r"(?m)^deb(?=\s)", "deb-src", text))
                        name = os.path.basename(path)
                        with open(os.path.join(parts, name if "." in name[1:] else name + ".list"), "w", encoding="utf-8") as file:
                            file.write(text)
            run(["apt-get", *options, "update"])
        half = place + ".new"
        shutil.rmtree(half, ignore_errors=True)
        os.makedirs(half)
        run(["apt-get", *options, "source", "--download-only", "--tar-only", package], cwd=half)
        for archive in glob.glob(os.path.join(half, "*.orig.tar.*")):
            if not archive.endswith(".asc"):
                self.unpack(archive, half, PARTS.get(package, ""))
        os.rename(half, place)

    def unpack(self, archive, folder, part):
        with tarfile.open(archive) as tar:
            wanted = [each for each in tar if part in each.name and not os.path.isabs(each.name) and ".." not in each.name.split("/")]
            tar.extractall(folder, [each for each in wanted if each.isfile() or each.isdir()])
        os.remove(archive)

    def pypi(self, package):
        """The unpacked source of a Python package."""
        name = f"{package}-{PYPI[package]}"
        place = os.path.join(self.cache, "pypi", name)
        if not os.path.exists(place):
            print(f"suites: fetching the source of {name}", flush=True)
            half = place + ".new"
            shutil.rmtree(half, ignore_errors=True)
            os.makedirs(half)
            # Setups of some age ask for a part of setuptools that newer ones do not have.
            with open(os.path.join(half, "constraints"), "w", encoding="ascii") as file:
                file.write("setuptools<70\n" if package == "html5lib" else "")
            environment = dict(os.environ, PIP_CONSTRAINT=os.path.join(half, "constraints"), PIP_DISABLE_PIP_VERSION_CHECK="1")
            command = ["-m", "pip", "download", "-q", "--no-deps", "--no-binary", package, "-d", half, f"{package}=={PYPI[package]}"]
            run([self.python(), *command], env=environment)
            self.unpack(glob.glob(os.path.join(half, "*.tar.gz"))[0], half, "")
            os.rename(half, place)
        return glob.glob(os.path.join(place, "*", ""))[0]

    def python(self):
        """An interpreter that has what the tests of others need."""
        folder = os.path.join(self.cache, "venv")
        python = os.path.join(folder, "bin", "python")
        if not os.path.exists(os.path.join(folder, "complete")):
            print("suites: installing what other projects' tests need", flush=True)
            run([sys.executable, "-m", "venv", "--clear", folder])
            own = [f"{name}=={version}" for name, version in PYPI.items() if name != "html5lib"]
            run([python, "-m", "pip", "install", "-q", "pytest", "hypothesis", "testfixtures", *own])
            with open(os.path.join(folder, "complete"), "w", encoding="ascii"):
                pass
        return python

    def html_cases(self, work):
        """A folder with the documents of html5lib's tests of the tree and of Go's copy of them, a file each."""
        folder = os.path.join(work, "html-cases")
        os.makedirs(folder)
        trees = [self.html5lib("tree-construction"), self.debian("golang-golang-x-net", "html/testdata/webkit")]
        for number, tree in enumerate(trees):
            for path in sorted(glob.glob(os.path.join(tree, "*.dat"))):
                with open(path, "rb") as file:
                    cases = re.split(rb"(?m)^#data\n", file.read())[1:]
                for case, text in enumerate(cases):
                    document, _, rest = text.partition(b"\n#errors")
                    # Of a fragment, or of a page whose scripts run, the tree would be another one.
                    if b"\n#document-fragment" not in rest and b"\n#script-on" not in rest:
                        name = f"{number}-{os.path.basename(path)}-{case}.html"
                        with open(os.path.join(folder, name), "wb") as file:
                            file.write(document)
        return folder
