"""What the book is made of comes from where it says, unchanged, and nothing asks for a network afterwards."""

import ast
import hashlib
import os
import re
import subprocess
import sys
import zipfile

import nbformat
import pytest
import yaml

from notebook_checks import ROOT
from scripts import bootstrap
from scripts.chapters.book import Book
from scripts.pages import licences

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

# The lock is installed with its hashes.


def test_every_install_of_the_lock_asks_for_hashes(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(bootstrap, "run", lambda command, *_: commands.append([str(c) for c in command]))
    (tmp_path / "requirements.lock").write_text("uv==1 \\\n    --hash=sha256:00\n")
    bootstrap.install(tmp_path, tmp_path / "log")
    installs = [c for c in commands if "install" in c or "sync" in c]
    assert len(installs) == 3
    for command in installs:
        # This project itself is the only thing without a hash, and it brings nothing along.
        assert "--require-hashes" in command or command[-2:] == ["-e", str(tmp_path)]
        assert "--require-hashes" in command or "--no-deps" in command


@pytest.mark.parametrize("sound", [True, False], ids=["sound", "changed"])
def test_a_file_with_another_hash_is_refused(tmp_path, sound):
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes() if sound else b"something else").hexdigest()
    (tmp_path / "lock").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    command = [bootstrap_uv(), "pip", "install", "--no-index", "--find-links", str(tmp_path), "--no-cache"]
    command += ["--require-hashes", "--target", str(tmp_path / "out"), "-r", str(tmp_path / "lock")]
    done = subprocess.run([*command, "--python", sys.executable], capture_output=True, text=True)
    assert (done.returncode == 0) == sound
    assert (tmp_path / "out" / "tiny.py").exists() == sound
    assert sound or "Hash mismatch" in done.stderr


def bootstrap_uv():
    from uv import find_uv_bin

    return find_uv_bin()


# Licences.


def rows():
    text = (ROOT / "DEPENDENCIES.md").read_text(encoding="utf-8")
    return [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in text.splitlines()[7:]]


def test_every_locked_package_is_listed_with_its_licence():
    listed = [(name, version) for name, versions, _ in rows() for version in versions.split(", ")]
    pins = licences.pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(pins), "`python -m scripts.pages.licences` writes the list anew"


def test_every_licence_may_be_used_here():
    assert [row for row in rows() if not licences.ALLOWED.search(row[2])] == []
    assert not licences.ALLOWED.search("GPL-3.0-only")


# What the site brings along for its readers is what was published, byte for byte.
VENDORED = {
    # @popperjs/core 2.11.8, tippy.js 6.3.7, mathjax 3.2.2, plotly.js-basic-dist-min 4.1.1
    "hover/popper.min.js": "c212f4b505a86352aed62b24a8f16f999f821ecbe6456c7f3c8a04bc87968782",
    "hover/tippy-bundle.umd.min.js": "3f0fe70eb26ccf28f6887a192e29d38dd7ef7c2f079a73304ad42ddc7bed37de",
    "mathjax/tex-chtml.js": "0a6ded5abbce13331658dd239f34382abd06492c74b71b61e8caa8112ec55fa5",
    "plotly/plotly-basic.min.js": "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba",
}


OURS = {"widgets"}  # folders of scripts that this book has written


def altered(static, known):
    """List scripts of others that are unknown, changed, lost or without a licence beside them."""
    paths = [path for path in static.glob("*/*.js") if path.parent.name not in OURS]
    found = {path.relative_to(static).as_posix(): path for path in paths}
    wrong = [name for name in found.keys() | known.keys() if name not in known or name not in found]
    for name in found.keys() & known.keys():
        content = found[name].read_bytes()
        if hashlib.sha256(content).hexdigest() != known[name] or not any(found[name].parent.glob("LICENSE*")):
            wrong.append(name)
    return sorted(wrong)


def test_scripts_of_others_are_as_they_were_published():
    assert altered(ROOT / "book" / "_static", VENDORED) == []


def test_an_altered_script_is_seen(tmp_path):
    for name, content in (("a/sound.js", b"1"), ("a/changed.js", b"2"), ("a/new.js", b"3"), ("b/bare.js", b"1")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "a" / "LICENSE").touch()
    (tmp_path / "widgets").mkdir()
    (tmp_path / "widgets" / "own.js").touch()
    known = dict.fromkeys(["a/sound.js", "a/changed.js", "a/lost.js", "b/bare.js"], hashlib.sha256(b"1").hexdigest())
    assert altered(tmp_path, known) == ["a/changed.js", "a/lost.js", "a/new.js", "b/bare.js"]


# The workflow: pinned, and with no right that it does not need.


def uses(node):
    if isinstance(node, dict):
        return [v for k, v in node.items() if k == "uses"] + uses(list(node.values()))
    return [name for item in node for name in uses(item)] if isinstance(node, list) else []


def loose(text):
    """List what a workflow takes from elsewhere without naming a commit, and rights that are too wide."""
    content = yaml.safe_load(text)
    found = [name for name in uses(content) if not re.search(r"@[0-9a-f]{40}$", name)]
    if content.get("permissions") != {"contents": "read"}:
        found.append("rights of the workflow")
    for name, job in content["jobs"].items():
        rights = job.get("permissions", {})
        if isinstance(rights, str) or not rights.keys() <= {"pages", "id-token", "contents"}:
            found.append(f"rights of {name}")
        elif rights and any("run" in step for step in job["steps"]):
            found.append(f"{name} runs code with rights")
        for step in job["steps"]:
            kept = step.get("with", {}).get("persist-credentials", True)
            if step.get("uses", "").startswith("actions/checkout@") and kept is not False:
                found.append(f"{name} keeps its credentials")
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_pinned_and_have_no_needless_right(path):
    assert loose(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"checkout@\w+", "checkout@v4"),
        (r"deploy-pages@\w+", "deploy-pages@main"),
        ("contents: read", "contents: write"),
        ("persist-credentials: false", "persist-credentials: true"),
        ("pages: write", "packages: write"),
    ],
)
def test_a_loose_workflow_is_caught(old, new):
    text = WORKFLOWS[0].read_text(encoding="utf-8")
    assert loose(re.sub(old, new, text, count=1))


# No network at run time.

NETWORK = {"urllib", "requests", "http", "socket", "ftplib", "httpx", "aiohttp", "urllib3", "pooch", "ssl"}
FETCHERS = {"fetch_openml", "fetch_california_housing", "urlopen", "urlretrieve", "read_html"}


def asked_for(source):
    """List modules and functions by which a piece of code would reach a network."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in NETWORK]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] if (node.module or "").split(".")[0] in NETWORK else []
            found += [alias.name for alias in node.names if alias.name in FETCHERS]
        elif isinstance(node, ast.Attribute) and node.attr in FETCHERS:
            found.append(node.attr)
    return found


# A cell that installs what Colab lacks.
INSTALLS = re.compile(r'^if importlib\.util\.find_spec\("\w+"\) is None:\n    %pip install [^\n]*$')


@pytest.mark.parametrize("path", Book(ROOT).chapters, ids=lambda path: path.stem)
def test_no_chapter_asks_for_a_network(path):
    cells = nbformat.read(path.with_suffix(".ipynb"), as_version=4).cells
    sources = [cell.source.strip() for cell in cells if cell.cell_type == "code"][1:]
    sources = [source for source in sources if not INSTALLS.search(source)]
    assert [s for s in sources if re.search(r"^\s*[%!]", s, re.M)] == []
    assert asked_for("\n".join(sources)) == []


def test_the_library_asks_for_no_network():
    for path in (ROOT / "bnlib").rglob("*.py"):
        assert asked_for(path.read_text(encoding="utf-8")) == [], path.name
    assert asked_for("import requests\nfrom sklearn.datasets import fetch_openml\nsklearn.fetch_openml()")


PROBE = "import socket\nsocket.create_connection(({!r}, {}), timeout=1)"


def test_what_tests_start_is_cut_off_the_network():
    assert os.environ["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT / "tests" / "offline")
    for host in ("example.org", "192.0.2.1"):
        done = subprocess.run([sys.executable, "-c", PROBE.format(host, 80)], capture_output=True, text=True)
        assert f"asks for {host}" in done.stderr
    here = (
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(s.getsockname()).close()"
    )
    subprocess.run([sys.executable, "-c", here], check=True)


def test_chapters_run_in_kernels_without_a_network(pytester, monkeypatch):
    """The way in which `make test` runs every chapter."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    source = "try:\n    " + PROBE.format("example.org", 80).replace("\n", "\n    ")
    source += "\nexcept OSError as error:\n    print(error)"
    text = "Chapters and tests must work without a network, but this one asks for example.org.\n"
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    cell = nbformat.v4.new_code_cell(source, outputs=[output], execution_count=1)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), pytester.path / "probe.ipynb")
    pytester.runpytest_subprocess("--nbval", "--nbval-current-env", "probe.ipynb").assert_outcomes(passed=1)


def test_the_library_imports_and_reads_its_data_without_a_network():
    code = "import bnlib as bn, bnlib.experiments as e; bn.claims.load(); e.load('affine-law'); print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "fine\n", done.stderr
