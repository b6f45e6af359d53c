"""Somebody's own network: reading it, and what to say of it."""

from .checkpoint_series import trajectory
from .curves import TrainingCurves
from .leaky_report import LeakyReport
from .pairs import Comparison, compare
from .readers import from_arrays, load_network
from .recorded import Spectra, spectra
from .recorder import Recorder
from .report import Report, report
from .spectrum import Spectrum
from .statistics import exponent, interval, slope
from .torch_state import from_torch_state, to_torch_state
