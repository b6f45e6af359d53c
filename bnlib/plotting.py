"""The style of the figures, under the name by which chapters import it: see bnlib.book.plotting."""

from .book.plotting import *
