"""The book in small, for every test of the pipeline."""

from small_book import book  # noqa: F401
