"""A site that was built loads its icons once."""

import importlib.util
from types import SimpleNamespace

import pytest

from notebook_checks import ROOT

SPEC = importlib.util.spec_from_file_location("icons_once", ROOT / "book" / "_ext" / "icons_once.py")
icons_once = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(icons_once)

STYLE = '<link href="../_static/vendor/fontawesome/6.5.2/css/all.min.css?digest=d" rel="stylesheet" />'
ICONS = '\n  <script src="../_static/vendor/fontawesome/6.5.2/js/all.min.js?digest=d"></script>'
OTHER = '\n  <script src="../_static/vendor/other/1/js/all.min.js"></script>'


@pytest.mark.parametrize(
    ("builder", "error", "once"), [("html", None, True), ("html", OSError(), False), ("text", None, False)]
)
def test_the_script_goes_and_the_style_sheet_stays(tmp_path, builder, error, once):
    page = tmp_path / "book" / "page.html"
    page.parent.mkdir()
    page.write_text(STYLE + ICONS + OTHER)
    scripts = tmp_path / "_static" / "vendor" / "fontawesome" / "6.5.2" / "js"
    scripts.mkdir(parents=True)
    (scripts / "all.min.js").write_text("icons")
    icons_once.drop_script(SimpleNamespace(builder=SimpleNamespace(name=builder), outdir=str(tmp_path)), error)
    assert page.read_text() == STYLE + ("" if once else ICONS) + OTHER
    assert scripts.exists() != once
