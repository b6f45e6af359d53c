"""The site's figures become smaller and stay what they are."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from notebook_checks import ROOT

SPEC = importlib.util.spec_from_file_location("lossless_images", ROOT / "book" / "_ext" / "lossless_images.py")
lossless_images = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(lossless_images)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("alpha", [255, 254, 0])
def test_a_figure_keeps_its_pixels(tmp_path, alpha):
    drawn = np.random.default_rng(0).integers(0, 255, (40, 60, 4), dtype=np.uint8)
    drawn[10:, 10:] = 255
    drawn[..., 3] = 255
    drawn[0, 0, 3] = alpha
    path = tmp_path / "figure.png"
    Image.fromarray(drawn).save(path, compress_level=1)
    before = path.stat().st_size
    kept = lossless_images.shrink(path)
    assert kept == tmp_path / "figure.webp"
    assert kept.stat().st_size < before
    assert not path.exists()
    np.testing.assert_array_equal(pixels(kept), drawn)


def test_an_image_that_would_grow_stays(tmp_path):
    path = tmp_path / "small.png"
    Image.new("L", (1, 1)).save(path)
    before = path.stat().st_size
    kept = lossless_images.shrink(path)
    assert [kept] == list(tmp_path.iterdir())
    assert kept.stat().st_size <= before


@pytest.mark.parametrize(
    ("builder", "error", "smaller"), [("html", None, True), ("html", OSError(), False), ("text", None, False)]
)
def test_only_a_site_that_was_built_is_touched_and_led_to_its_figures(tmp_path, builder, error, smaller):
    path = tmp_path / "_images" / "figure.png"
    path.parent.mkdir()
    Image.new("RGBA", (90, 90), "red").save(path, compress_level=0)
    page, tip, other = tmp_path / "page.html", tmp_path / "_static" / "tippy" / "page.js", tmp_path / "other.js"
    tip.parent.mkdir(parents=True)
    page.write_text('<img src="../_images/figure.png"/><img src="_images/absent.png"/>')
    tip.write_text('"<img src=\\"../_images/figure.png\\"/>"')
    other.write_text("_images/figure.png")
    app = SimpleNamespace(builder=SimpleNamespace(name=builder), outdir=str(tmp_path))
    lossless_images.shrink_all(app, error)
    kind = "webp" if smaller else "png"
    assert [file.name for file in path.parent.iterdir()] == [f"figure.{kind}"]
    assert page.read_text() == f'<img src="../_images/figure.{kind}"/><img src="_images/absent.png"/>'
    assert tip.read_text() == f'"<img src=\\"../_images/figure.{kind}\\"/>"'
    assert other.read_text() == "_images/figure.png"
