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
    saved = lossless_images.shrink(path)
    assert path.stat().st_size == before - saved
    assert saved > 0
    np.testing.assert_array_equal(pixels(path), drawn)
    assert lossless_images.shrink(path) == 0


@pytest.mark.parametrize(
    ("builder", "error", "smaller"), [("html", None, True), ("html", OSError(), False), ("text", None, False)]
)
def test_only_a_site_that_was_built_is_touched(tmp_path, builder, error, smaller):
    path = tmp_path / "_images" / "figure.png"
    path.parent.mkdir()
    Image.new("RGBA", (90, 90), "red").save(path, compress_level=0)
    before = path.stat().st_size
    app = SimpleNamespace(builder=SimpleNamespace(name=builder), outdir=str(tmp_path))
    lossless_images.shrink_all(app, error)
    assert (path.stat().st_size < before) == smaller
