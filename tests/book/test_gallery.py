"""The gallery of a small book; the site's own is looked at by `make site`."""

import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from gallery_checks import faults, pages
from notebook_checks import ROOT

CONF = f"import sys\nsys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\nextensions = ['gallery']\nnumfig = True\n"
SOURCES = {
    "index": """\
Book
====

.. toctree::
   :numbered:

   notebooks/b_law
   notebooks/a_law

.. toctree::

   book/gallery
   book/knobs
""",
    "notebooks/b_law": """\
The *second* law
================

.. figure:: ../picture.png
   :name: fig-b
   :alt: A field.

   All of it is red, see :ref:`the first law <first>`, and :math:`x^2`.
""",
    "notebooks/a_law": """\
.. _first:

The first law
=============

.. figure:: ../other.png
   :name: fig-a
   :alt: Another field.

   All of it is blue.

.. figure:: ../line.svg
   :name: fig-line
   :alt: A line.

   It is straight.
""",
    "book/knobs": """\
Knobs
=====

Turn them
---------

.. figure:: ../line.svg
   :name: fig-knobs
   :class: printed-line
   :alt: A line.

   For print.
""",
    "book/gallery": "Gallery\n=======\n\n.. gallery::\n",
}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0L9 9" stroke="black"/></svg>'


def build(root, builder="html"):
    made = root / "_build"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", builder, "-d", made / "trees", root, made / builder]
    subprocess.run(command, check=True)
    return made / builder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Three pages with figures, and a gallery."""
    root = tmp_path_factory.mktemp("small")
    (root / "conf.py").write_text(CONF)
    for name, text in SOURCES.items():
        (root / f"{name}.rst").parent.mkdir(exist_ok=True)
        (root / f"{name}.rst").write_text(text)
    Image.new("RGBA", (1000, 500), (255, 0, 0, 128)).save(root / "picture.png")
    Image.new("P", (100, 2000), 3).save(root / "other.png")
    (root / "line.svg").write_text(SVG)
    build(root)
    return root


def test_every_figure_is_shown_once_in_the_order_of_the_contents(small):
    site = small / "_build" / "html"
    gallery = site / "book" / "gallery.html"
    assert list(faults(gallery, pages(site))) == []
    text = gallery.read_text()
    titles = re.findall(r'<h2><a class="reference internal" href="([^"]*)">([^<]*)</a>', text)
    assert titles == [
        ("../notebooks/b_law.html", "1. The second law"),
        ("../notebooks/a_law.html", "2. The first law"),
        ("knobs.html", "Knobs"),
    ]
    places = re.findall(r'<a class="reference internal" href="([^"]*)"><img', text)
    assert places == [
        "../notebooks/b_law.html#fig-b",
        "../notebooks/a_law.html#fig-a",
        "../notebooks/a_law.html#fig-line",
        "knobs.html#turn-them",
    ]


def test_captions_keep_their_numbers_references_and_formulas(small):
    text = (small / "_build" / "html" / "book" / "gallery.html").read_text()
    assert "<strong>Fig. 1.1</strong> All of it is red" in text
    assert '<a class="reference internal" href="../notebooks/a_law.html#first">' in text
    assert '<span class="math' in text
    assert re.search(r'<script [^>]*src="[^"]*mathjax', text)


def test_pictures_become_small_and_drawings_stay(small):
    made = sorted((small / "_build" / "thumbnails").glob("*"))
    assert len(made) == 2
    for path in made:
        with Image.open(path) as picture:
            assert picture.format == "WEBP"
            assert max(picture.width, picture.height / 2) == 400
    assert (small / "_build" / "html" / "_images" / "line.svg").read_text() == SVG


def test_a_changed_figure_changes_the_gallery(small, tmp_path):
    root = shutil.copytree(small, tmp_path / "copy")
    page = root / "notebooks" / "a_law.rst"
    page.write_text(page.read_text().replace("It is straight.", "It is drawn by hand."))
    assert "It is drawn by hand." in (build(root) / "book" / "gallery.html").read_text()


def test_in_print_the_gallery_is_left_out(small):
    text = (build(small, "singlehtml") / "index.html").read_text()
    assert "In print each figure stands in its chapter only." in text
    assert "webp" not in text


BROKEN = {
    "a missing figure": (r'<a [^>]*href="[^"]*#fig-b">.*?</a>', "", "b_law.html#fig-b is shown 0 times"),
    "a figure twice": ("#fig-line", "#fig-a", "a_law.html#fig-a is shown 2 times"),
    "a link to nowhere": ("#fig-line", "#fig-x", "a_law.html#fig-x is no figure"),
    "no alt text": ('alt="A field."', 'alt=" "', "../notebooks/b_law.html#fig-b has no alt text"),
    "no picture": ("_images/line.svg", "_images/lines.svg", "../_images/lines.svg is missing"),
    "no caption": (r"<p><strong>Fig. 1.1</strong>.*?</p>", "", "../notebooks/b_law.html#fig-b has no caption"),
    "nothing": ("(?s)<ul.*?</ul>", "", "it is empty"),
}


@pytest.mark.parametrize(("old", "new", "fault"), BROKEN.values(), ids=BROKEN)
def test_a_broken_gallery_is_seen(small, old, new, fault):
    site = small / "_build" / "html"
    broken = site / "book" / "broken.html"
    text = (site / "book" / "gallery.html").read_text()
    broken.write_text(re.sub(old, new, text))
    try:
        assert broken.read_text() != text
        assert fault in list(faults(broken, [page for page in pages(site) if page != broken]))
    finally:
        broken.unlink()
