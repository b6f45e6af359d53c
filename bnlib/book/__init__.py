"""What the book needs beside the mathematics: claims, scale and figures."""

from .claims import check
from .scale import parameters, scale
from .streams import stream
