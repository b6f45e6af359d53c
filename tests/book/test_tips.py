"""Definitions on hover: made of the book itself, complete after every build, and nothing of an earlier one is left."""

import json
import re
import subprocess
import sys

import pytest
import yaml

from notebook_checks import ROOT

SETTINGS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
TIPS = {name: value for name, value in SETTINGS.items() if name.startswith("tippy_")}


def asks(settings):
    """List the settings by which a network would be asked, when the site is built or read."""
    asking = [name for name in ("tippy_enable_wikitips", "tippy_enable_doitips") if settings.get(name, True)]
    asking += ["tippy_rtd_urls"] * bool(settings.get("tippy_rtd_urls"))
    scripts = settings.get("tippy_js", ["https://unpkg.com"])
    return asking + [script for script in scripts if not (ROOT / "book" / "_static" / script).is_file()]


def test_tips_ask_no_network():
    assert asks(TIPS) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"tippy_enable_wikitips": True},
        {"tippy_enable_doitips": True},
        {"tippy_rtd_urls": ["https://docs.python.org"]},
        {"tippy_js": ["https://unpkg.com/tippy.js@6"]},
    ],
)
def test_a_setting_that_asks_a_network_is_seen(changed):
    assert len(asks(TIPS | changed)) == 1
    assert len(asks({})) == 3  # what sphinx-tippy does by itself


PAGES = {
    "index": "Start\n=====\n\n.. toctree::\n\n   words\n   part/use\n\nNo formula and no link.\n",
    "words": "Words\n=====\n\n.. glossary::\n\n   frame\n     A matrix with :math:`k` columns.\n",
    "part/use": "Use\n===\n\nA :term:`frame`.\n",
}
CONF = """
import sys
sys.path.insert(0, {ext!r})
extensions = {extensions!r}
mathjax_path = "mathjax.js"
globals().update({settings!r})
"""
LINK = 'a[href="../words.html#term-frame"]'


def build(root, name, text):
    """Build the site with one page changed; list what its page of use lacks, and what is there needlessly."""
    (root / f"{name}.rst").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", str(root), str(root / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    page = (root / "out" / "part" / "use.html").read_text(encoding="utf-8")
    scripts = sorted((root / "out" / "_static" / "tippy" / "part").glob("use.*.js"))
    loaded = [script for script in scripts if script.name in page]
    data = re.search(r"selector_to_html = (\{.*\})", loaded[0].read_text(encoding="utf-8"))
    tip = json.loads(data[1]).get(LINK, "") if data else ""
    found = ["old scripts"] * (scripts != loaded) + ["MathJax"] * ("mathjax.js" not in page)
    found += ["empty answers"] * any((root / "out").glob("tippy_*.json"))
    return found + ["the tip"] * (("basis" if name == "words" else "matrix") not in tip)


@pytest.mark.parametrize("sound", [True, False], ids=["sound", "alone"])
def test_a_page_shows_the_words_of_another_after_every_build(tmp_path, sound):
    extensions = ["sphinx.ext.mathjax", "sphinx_tippy", *["tips"] * sound]
    settings = TIPS | {"tippy_js": []}
    conf = CONF.format(ext=str(ROOT / "book" / "_ext"), extensions=extensions, settings=settings)
    (tmp_path / "conf.py").write_text(conf, encoding="utf-8")
    (tmp_path / "part").mkdir()
    for name in ("index", "words"):
        (tmp_path / f"{name}.rst").write_text(PAGES[name], encoding="utf-8")
    first = build(tmp_path, "part/use", PAGES["part/use"])
    assert first == ([] if sound else ["MathJax", "empty answers"])
    again = build(tmp_path, "part/use", PAGES["part/use"] + "\nMore.\n")
    assert again == ([] if sound else ["old scripts", "MathJax", "empty answers", "the tip"])
    if sound:
        assert build(tmp_path, "words", PAGES["words"].replace("matrix", "basis")) == []
