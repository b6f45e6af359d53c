"""The text of recorded spectra: a table by kind, what its columns mean, and which certificates do not apply."""

from collections.abc import Iterator, Sequence

from ._written import LINE
from ._written import said as as_lines
from .spectrum import Spectrum

NAME = 20  # a longer name has a line of its own
LISTED = 8

TITLES = {"matrix": "weights", "kernel": "kernels", "activations": "activations"}
WORDS = {
    "columns": (
        "1/10: least number of singular values that leave out at most a tenth of the norm. gap at k: largest "
        "difference of neighbours s_k and s_(k+1), relative to s_1. spread: participation ratio. All three stay the "
        "same when the array is scaled."
    ),
    "matrix": (
        ">1/2 counts the singular values above one half, as a report does. It means something only where function "
        "and penalty fix the scale of a weight. Before a normalisation, or between the factors of a product such as "
        "query and key, the scale is free: name such weights in scale_free, and read the other columns."
    ),
    "kernel": (
        "A kernel is measured as the matrix of output channels by input channels times taps, which is not the "
        "operator on images. Without groups, and with zero or circular padding, the norm of that lies between s_1 and "
        "sqrt(taps) s_1. Rank k means that at every place the outputs are combinations of k channels. One half means "
        "nothing here."
    ),
    "activations": (
        "Activations are not centred: mean is the share of the mean in the squared norm. That they lie near few "
        "dimensions is said of these inputs alone."
    ),
    "certificates": (
        "What does not apply: the lower bound of the norm, the bottleneck theorem and the bottleneck rank. They are "
        "proved for fully-connected ReLU networks, where nothing but weights and slopes links input and output. "
        "Attention, normalisation, convolutions and skip connections are none of it. So no number here says how small "
        "a norm could be, or how many dimensions the function needs: a skip connection passes on what its block "
        "drops."
    ),
    "scale_free": "A dash under >1/2 is a weight whose scale is free.",
    "stack": "A number in brackets counts the matrices of a stack.",
}


def words(spectra: Sequence[Spectrum], left_out: Sequence[str]) -> dict[str, str]:
    """Return what is to be said of the spectra that are there, by block of the text."""
    kinds = {spectrum.kind for spectrum in spectra}
    said = {name: WORDS[name] for name in ("columns", *(kind for kind in TITLES if kind in kinds))}
    if any(s.kind == "matrix" and s.rank is None for s in spectra):
        said["matrix"] = f"{said['matrix']} {WORDS['scale_free']}"
    if any(s.kind == "matrix" and s.name.endswith("]") for s in spectra):
        said["matrix"] = f"{said['matrix']} {WORDS['stack']}"
    if left_out:
        said["left_out"] = f"Left out, since they hold no matrix: {listed(left_out)}."
    return said | {"certificates": WORDS["certificates"]}


def table(spectra: Sequence[Spectrum], left_out: Sequence[str], *, numerical: bool) -> str:
    """Return the whole text."""
    said = words(spectra, left_out)
    parts = []
    for kind, title in TITLES.items():
        if rows := [spectrum for spectrum in spectra if spectrum.kind == kind]:
            parts.append([*_rows(title, rows, numerical), *as_lines(said[kind])])
    parts += [as_lines(said[name]) for name in ("columns", "left_out", "certificates") if name in said]
    return "\n\n".join("\n".join(part) for part in parts)


def shortened(name: str, most: int) -> str:
    """Return a name, or the end of it, which is where names differ."""
    return name if len(name) <= most else f"..{name[2 - most :]}"


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED} more"


def _rows(title: str, spectra: Sequence[Spectrum], numerical: bool) -> Iterator[str]:
    count = "mean" if title == "activations" else ">1/2"
    last = "numerical" if numerical else "spread"
    yield f"{title:<{NAME}}{'matrix':>15}{count:>6}{'1/10':>6}{'gap':>6}{'at':>6}{last:>10}".rstrip()
    for s in spectra:
        if len(s.name) > NAME:
            yield from (s.name[i : i + LINE] for i in range(0, len(s.name), LINE))
        name = s.name if len(s.name) <= NAME else ""
        matrix = f"{s.matrix[0]} x {s.matrix[1]}"
        counted = "-" if s.rank is None else str(s.rank)
        counted = counted if s.mean_share is None else f"{100 * s.mean_share:.0f}%"
        shown = f"{s.numerical_rank}{' ' if s.decided else '?'}" if numerical else f"{s.participation_ratio:.1f}"
        row = f"{name:<{NAME}}{matrix:>15}{counted:>6}{s.dimension:>6}{s.gap:>6.2f}{s.gap_at:>6}{shown:>10}"
        yield row.rstrip()
