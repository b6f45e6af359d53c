"""Command line: ``python -m bnlib report WEIGHTS --inputs INPUTS``, or ``--version``."""

import argparse
import sys
from pathlib import Path

import jax

from . import __version__
from .measure.files import load_points
from .measure.report import report


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status; errors are one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bnlib", description=__doc__)
    parser.add_argument("--version", action="version", version=f"bnlib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("report", help="measure a trained ReLU network")
    command.add_argument("weights", help="npz, safetensors or HDF5 file of its weights and biases")
    command.add_argument("--inputs", required=True, help="npy, npz or safetensors file with an array X (N, d_in)")
    command.add_argument(
        "--outputs", metavar="FILE", help="file with the model's outputs Y (N, d_out), to compare with"
    )
    command.add_argument("--layers", metavar="NAME,NAME", help="names of the layers in their order")
    command.add_argument("--layout", choices=["out_in", "in_out"], help="how the weights are stored")
    command.add_argument("--slope", type=float, metavar="S", help="slope of the activation on negative numbers")
    command.add_argument("--numerical", action="store_true", help="show the numerical ranks of all layers as well")
    command.add_argument("--json", metavar="FILE", help="store the report as JSON as well")
    command.add_argument("--figure", metavar="FILE", help="draw the singular values by layer into a png, pdf or svg")
    options = parser.parse_args(arguments)
    try:
        X = load_points(options.inputs, "X")
        with jax.enable_x64(True):  # weights stored in float64 are measured as such
            measured = report(
                Path(options.weights),
                X,
                outputs=load_points(options.outputs, "Y") if options.outputs else None,
                layers=options.layers.split(",") if options.layers else None,
                layout=options.layout,
                negative_slope=options.slope,
            )
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
