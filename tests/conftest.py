"""The numerical rules under which every test runs."""

import hypothesis
import jax

jax.config.update("jax_enable_x64", True)
# Silent broadcasting and silent promotion hide wrong shapes and lost precision.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
# Most of the time of a test is compilation. Chapters, which are tested as well, run what the optimiser makes of it.
jax.config.update("jax_disable_most_optimizations", True)

# The first call of an example compiles: no deadline. The examples are the same on every run and every machine;
# `make hunt` draws new ones, and what it finds becomes an @example.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("hunt", deadline=None, print_blob=True)
# A planted fault need only be seen, not be shown by the smallest example (scripts/faults/plant.py).
hypothesis.settings.register_profile(
    "mutants", deadline=None, derandomize=True, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)
hypothesis.settings.load_profile("same")
