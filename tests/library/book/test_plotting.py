"""Bands over seeds leave out what is missing."""

import matplotlib.pyplot as plt
import numpy as np

from bnlib import plotting


def test_bands_leave_out_missing_seeds_and_empty_positions():
    _, ax = plt.subplots()
    values = np.array([[1.0, np.nan, 3.0], [2.0, np.nan, np.nan], [6.0, np.nan, 5.0]])
    plotting.interval(ax, [10, 20, 30], values, color="k")
    (line,), (band,) = ax.get_lines(), ax.collections
    assert line.get_xydata().tolist() == [[10.0, 2.0], [30.0, 4.0]]
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.tolist()}
    assert {(10.0, 1.0), (10.0, 6.0), (30.0, 3.0), (30.0, 5.0)} <= corners
    plt.close()
