"""The papers' experiments, defined once: for the chapters at quick scale and for a script at theirs."""

from .affine_law import AFFINE_DEPTHS, AFFINE_RIDGE, CONTROL, KEPT
from .orbits import READ
from .records import checksum, folder, load, setting_of
from .registry import NAMES, measure, member, plan, schedule, task
from .schedules import LONG, MEDIUM
from .setting import Setting
from .spectra_grid import GRID_DEPTHS, GRID_RIDGES
from .tables import kernels, select, table
