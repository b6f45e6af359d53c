"""Command-line tools of the book, run from the root of the checkout: python -m scripts.room.name."""
