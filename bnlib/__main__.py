"""Command line: ``python -m bnlib report WEIGHTS.npz --inputs INPUTS.npz``."""

import argparse
import sys

from .report import load_arrays, load_network, report


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status; errors are one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m bnlib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("report", help="measure a trained network")
    command.add_argument("weights", help="npz file with <number>.weight and <number>.bias arrays")
    command.add_argument("--inputs", required=True, help="npz file with one array X of shape (N, d_in)")
    options = parser.parse_args(arguments)
    try:
        inputs = load_arrays(options.inputs)
        if "X" not in inputs:
            raise ValueError(f"'{options.inputs}' must hold an array named X, but it holds {sorted(inputs)}.")
        print(report(load_network(options.weights), inputs["X"]))
    except ValueError as error:
        print(f"bnlib: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
