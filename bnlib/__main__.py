"""Command line: ``python -m bnlib report WEIGHTS --inputs INPUTS``."""

import argparse
import sys

import jax

from .measure.readers import load_arrays, load_network
from .measure.report import report


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status; errors are one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bnlib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("report", help="measure a trained ReLU network")
    command.add_argument("weights", help="npz or safetensors file of its weights and biases")
    command.add_argument("--inputs", required=True, help="npz or safetensors file with an array X of shape (N, d_in)")
    command.add_argument("--numerical", action="store_true", help="show the numerical ranks of all layers as well")
    command.add_argument("--json", metavar="FILE", help="store the report as JSON as well")
    command.add_argument("--figure", metavar="FILE", help="draw the singular values by layer into a png, pdf or svg")
    options = parser.parse_args(arguments)
    try:
        inputs = load_arrays(options.inputs)
        if "X" not in inputs:
            raise ValueError(f"'{options.inputs}' must hold an array named X, but it holds {sorted(inputs)}.")
        X = inputs["X"]
        with jax.enable_x64(True):  # weights stored in float64 are measured as such
            measured = report(load_network(options.weights, d_in=X.shape[1] if X.ndim == 2 else None), X)
        print(measured.text(numerical=options.numerical))
        if options.json:
            measured.to_json(options.json)
        if options.figure:
            measured.plot(options.figure)
    except ValueError as error:
        print(f"bnlib: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
