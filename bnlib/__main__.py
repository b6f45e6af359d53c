"""Command line: ``python -m bnlib report WEIGHTS --inputs INPUTS``, ``train DATA``, or ``--version``."""

import argparse
import os
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np

from . import __version__
from ._writing import write
from .measure.files import load_arrays, load_points
from .measure.report import report
from .measure.torch_state import to_torch_state
from .networks import init
from .training import Loss, train


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
    command.add_argument("--skip", type=float, metavar="S", help="share of its state that a square hidden layer keeps")
    command.add_argument("--numerical", action="store_true", help="show the numerical ranks of all layers as well")
    command.add_argument("--json", metavar="FILE", help="store the report as JSON as well")
    command.add_argument("--html", metavar="FILE", help="store the report as a page with its figure as well")
    command.add_argument("--figure", metavar="FILE", help="draw the singular values by layer into a png, pdf or svg")
    add_train(commands)
    options = parser.parse_args(arguments)
    try:
        _device()
        if options.command == "train":
            print(trained(options))
            return 0
        X = load_points(options.inputs, "X")
        measured = report(
            Path(options.weights),
            X,
            outputs=load_points(options.outputs, "Y") if options.outputs else None,
            layers=options.layers.split(",") if options.layers else None,
            layout=options.layout,
            negative_slope=options.slope,
            skip=options.skip,
        )
        print(measured.text(numerical=options.numerical))
        if options.json:
            measured.to_json(options.json)
        if options.html:
            measured.to_html(options.html, numerical=options.numerical)
        if options.figure:
            measured.plot(options.figure)
    except MemoryError:
        print("bnlib: There is not enough memory; give fewer inputs.", file=sys.stderr)
        return 2
    except (RuntimeError, ValueError) as error:
        print(f"bnlib: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _device() -> None:
    """Refuse a platform that JAX_PLATFORMS names and this machine lacks."""
    try:
        jax.devices()
    except (AssertionError, RuntimeError) as error:
        wanted = os.environ.get("JAX_PLATFORMS", "")
        raise ValueError(f"JAX has no device here, and JAX_PLATFORMS is {wanted!r}; unset it.") from error


def add_train(commands: Any) -> None:
    """Add the command ``train`` to those of a parser.

    Source: bnlib.
    """
    command = commands.add_parser("train", help="train a ReLU network with a ridge and store its weights")
    command.add_argument("data", help="npz or safetensors file with arrays X (N, d_in) and Y (N, d_out)")
    command.add_argument("--output", required=True, metavar="FILE", help="npz file for the weights, which report reads")
    command.add_argument("--ridge", type=float, default=1e-2, help="penalty of the squared norm (default 0.01)")
    command.add_argument("--depth", type=int, default=6, help="number of layers (default 6)")
    command.add_argument("--width", type=int, default=32, help="neurons of each hidden layer (default 32)")
    command.add_argument("--seed", type=int, default=0, help="of the random start (default 0)")
    command.add_argument("--loss", default="squared", choices=get_args(Loss), help="what is minimised with the penalty")
    command.add_argument("--checkpoint", metavar="FILE", help="npz file that a killed training is continued from")


def trained(options: argparse.Namespace) -> str:
    """Train as the options say, store the weights, and return what to print; warnings go to stderr as sentences.

    Source: bnlib.
    """
    data = load_arrays(options.data)
    if missing := {"X", "Y"} - data.keys():
        raise ValueError(f"'{options.data}' must hold arrays named X and Y, but {sorted(missing)} is missing.")
    X, Y = data["X"], data["Y"]
    if X.ndim != 2 or Y.ndim != 2:
        raise ValueError(f"X and Y must have shapes (N, d_in) and (N, d_out), but these are {X.shape} and {Y.shape}.")
    output = Path(options.output)
    if output.suffix != ".npz" or not output.parent.is_dir():
        raise ValueError(f"--output must be an npz file in a folder that exists, but it is '{output}'.")
    start = init(jax.random.key(options.seed), X.shape[1], options.width, Y.shape[1], options.depth)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = train(start, X, Y, options.ridge, loss=options.loss, checkpoint=options.checkpoint)
    for warning in caught:
        print(f"bnlib: {warning.message}", file=sys.stderr)
    write(output, lambda file: np.savez(file, allow_pickle=False, **to_torch_state(result.net)))
    state = "converged" if result.converged else "not converged: the objective still moves, or neurons are not balanced"
    return (
        f"loss       {result.loss:.4g}\nobjective  {result.objective:.4g}\nstate      {state}\n"
        f"weights    {output}: python -m bnlib report {output} --inputs {options.data}"
    )


if __name__ == "__main__":
    sys.exit(main())
