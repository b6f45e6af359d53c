"""The tables of speed show what the benchmarks stored, in its units."""

import copy

import pytest

from scripts.chapters.book import ROOT, Book
from scripts.pages.speed import speed_tables

STORED = {
    "steps": {
        "machine": {"cpu": "A processor", "cores": 2, "per": "second", "versions": {"jax": "1.0", "torch": "2.0"}},
        "sizes": [
            {
                "depth": 8,
                "width": 50,
                "points": 200,
                "steps_per_second": {"bnlib": 40.0, "optax loop": 30.0, "torch a": 10.0, "torch b": 20.0},
                "products_alone": 60.0,
            }
        ],
    },
    "time_to_target": {
        "slack": 1.005,
        "results": {
            "A": {
                "setting": [12, 50, 200, 0.1, 8],
                "ratios": {"whole": 3.0, "met": 1},
                "runs": [
                    {"baseline": {"seconds": 9.0}, "bnlib": {"seconds": 3.0}},
                    {"baseline": {"seconds": 11.0}, "bnlib": {"seconds": 4.0}},
                ],
            }
        },
    },
    "depth": {
        "compilation": {"seconds": {"adam": {"10": [1.0, 2.0, 9.0]}, "l-bfgs": {"10": [3.0]}}},
        "memory": {"depth": 100, "width": 200, "points": 1000, "peak": 1500.0},
    },
}
ROWS = ["| 8 | 50 | 200 | 40 | 30 | 20 | 60 |", "| 12 | 50 | 200 | 10.0 | 3.5 | 3.0 | 1 of 2 |", "| 10 | 2.0 | 3.0 |"]


@pytest.mark.parametrize("row", [*ROWS, "takes 1.5 GB of memory"])
def test_rows(row):
    assert row in speed_tables(STORED)


def test_what_was_not_timed_has_a_dash():
    stored = copy.deepcopy(STORED)
    rates = stored["steps"]["sizes"][0]["steps_per_second"]
    del rates["torch a"], rates["torch b"]
    assert "| 40 | 30 | – | 60 |" in speed_tables(stored)


@pytest.mark.parametrize("name", STORED)
def test_nothing_is_said_without_timings(name):
    assert speed_tables({key: value for key, value in STORED.items() if key != name}) == ""


def test_the_stored_timings_have_tables():
    assert speed_tables(Book(ROOT).benchmarks).count("\n| --: |") == 3
