"""The papers' experiments, defined once: for the chapters at quick scale and for a script at theirs."""

from .catalogue import (
    AFFINE_DEPTHS,
    AFFINE_RIDGE,
    CONTROL,
    GRID_DEPTHS,
    GRID_RIDGES,
    KEPT,
    NAMES,
    READ,
    Setting,
    checksum,
    folder,
    load,
    measure,
    member,
    plan,
    schedule,
    setting_of,
    task,
)
from .tables import select, table
