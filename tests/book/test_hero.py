"""The small figure at the head of a chapter."""

import re
import subprocess
import sys

import pytest

from notebook_checks import ROOT

CONF = f"import sys\nsys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\nextensions = ['hero']\n"
PAGE = """\
A law
=====

.. hero:: {name}

   All of it is *red*.

.. figure:: line.svg
   :name: fig-a
   :alt: A line.

   It is straight.
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0L9 9" stroke="black"/></svg>'


def build(root, name, builder="html"):
    (root / "conf.py").write_text(CONF)
    (root / "index.rst").write_text(PAGE.format(name=name))
    (root / "line.svg").write_text(SVG)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", builder, root, root / "made"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done, root / "made" / "index.html"


def test_a_figure_is_shown_in_small_and_leads_to_its_place(tmp_path):
    done, page = build(tmp_path, "fig-a")
    assert done.returncode == 0, done.stderr
    hero = re.search(r'<div class="hero docutils container">\n(.*?)</div>', page.read_text(), re.S)[1]
    assert (
        '<a class="reference internal" href="#fig-a"><img alt="A line." class="hero-image" src="_images/line.svg"'
        in hero
    )
    assert "All of it is <em>red</em>." in hero


def test_print_has_the_figure_once(tmp_path):
    done, page = build(tmp_path, "fig-a", "singlehtml")
    assert done.returncode == 0, done.stderr
    assert page.read_text().count("<img") == 1


@pytest.mark.parametrize("name", ["fig-b", "a-law"])
def test_a_name_that_no_figure_has_is_a_warning(tmp_path, name):
    done, _ = build(tmp_path, name)
    assert done.returncode
    assert f"No figure of this page is named {name}." in done.stderr
