"""What the book needs beside the mathematics: claims, scale and figures."""

from .scale import parameters, scale
from .streams import stream
from .verdict import check
