"""A record of the ledger, and a ledger of such records."""

import copy

import pytest
import yaml

from bnlib import claims

RECORD = {
    "id": "affine-law",
    "source": "J23",
    "kind": "experiment",
    "standing": "no proof",
    "statement": "The squared norm is affine in the depth.",
    "proved": None,
    "test": "Fit a line.",
    "settings": "Any.",
    "checks": {
        "slope": {
            "label": "slope of ||theta||^2 in L",
            "equals": 2.0,
            "within": 0.15,
            "why": "spread over seeds",
        },
        "control": {"label": "slope without ridge", "at_least": 3, "why": "negative control"},
    },
    "tier": "quick",
    "chapter": "notebooks/law.md#claim-affine-law",
    "tests": ["tests/test_law.py::test_slope"],
    "status": "reproduced",
    "deviation": None,
    "measured": None,
}


def record(**changes):
    return copy.deepcopy(RECORD) | changes


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Make bn.check and claims.load read the records that it is given."""

    def write(*records):
        path = tmp_path / "claims.yml"
        path.write_text(yaml.safe_dump({"claims": list(records)}), encoding="utf-8")
        monkeypatch.setattr(claims, "_ledger_path", lambda: path)
        return path

    return write
