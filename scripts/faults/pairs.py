"""Two faults or more at once, some of which hide each other."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat

from scripts.chapters.verdicts import measurements
from scripts.faults.checks import BALANCED, BUILT, CERTIFICATES, COSTS, INDEPENDENT, KERNEL, NETWORKS
from scripts.faults.fault import Edit, Fault, swap
from scripts.faults.ledger import LEDGER, MAPPED, WHOLE, on_record, with_page
from scripts.faults.notebooks import (
    BOTH,
    CLAIM,
    IPYNB,
    MD,
    STORED,
    exchange_figures,
    forge,
    on_notebook,
    paired_code,
    reprint,
    spoil,
    verdict_cell,
)

AGREED = "a measurement in the room of its check may differ between machines; running the chapter again restores it"


def forged_ledger(text: str, root: Path) -> str:
    """Put the forged measurement of CLAIM into the ledger."""
    notebook = nbformat.read(root / IPYNB, as_version=4)
    forge(notebook)
    measured = json.dumps(measurements(notebook)[CLAIM])
    return str(on_record(CLAIM, "^    measured: .*$", f"    measured: {measured}")(text, root))


def spoilt_ledger(text: str, root: Path) -> str:
    return str(on_record(CLAIM, r'^    measured: \{("\w+"): "[^"]+', r'    measured: {\1: "0.5')(text, root))


def module(name: str, old: str, new: str) -> tuple[str, Edit]:
    return f"bnlib/{name}.py", swap(old, new)


ONE = module("theory/ntk", "return (alpha_x @ alpha_y.T + 1.0)[", "return (alpha_x @ alpha_y.T)[")
TRACE_ONE = module("theory/ntk", "squares], axis=1) + 1.0", "squares], axis=1)")

PAIRS = [
    Fault("pair-kernel-and-trace", "pairs", "no gradient of the biases in the kernel nor in its trace",
          (ONE, TRACE_ONE), (KERNEL, "-k", "ntk_identity")),
    Fault("pair-cost-and-bound", "pairs", "the same wrong exponent in the cost and in its bound",
          (module("theory/costs", "return depth * schatten(A, 2.0 / depth)", "return depth * schatten(A, 1.0 / depth)"),
           module("theory/costs", "_svd.powers(s, 2.0 / net.depth, (net.d_out",
                  "_svd.powers(s, 1.0 / net.depth, (net.d_out")),
          (COSTS, "-k", "schatten_bound or test_linear_cost")),
    Fault("pair-norm-and-certificate", "pairs", "no bias on either side of the theorem",
          (module("theory/costs", "(W * W).sum() + (b * b).sum()", "(W * W).sum()"),
           module("theory/certificates", "axis=(-2, -1)) + np.sum(b**2, axis=-1))", "axis=(-2, -1)))")),
          (CERTIFICATES, "tests/library/theory/test_costs.py", "-k", "weights_theorem or squared_norm_counts")),
    Fault("pair-slope-and-mask", "pairs", "the same wrong slope in the network and in its mask",
          (module("networks", "return jnp.where(z > 0, z, net.negative_slope * z)",
                  "return jnp.where(z > 0, z, net.negative_slope**2 * z)"),
           module("networks", "jnp.full_like(pre, net.negative_slope))", "jnp.full_like(pre, net.negative_slope**2))")),
          (NETWORKS, "-k", "explicit_loops")),
    Fault("pair-loss-and-gradient", "pairs", "half the loss, and its gradient",
          (module("training/objective", "return jnp.sum(entries) / len(X), (",
                  "return jnp.sum(entries) / (2 * len(X)), ("),
           module("training/objective", "g = error * (2 * seed / len(X))", "g = error * (seed / len(X))")),
          (INDEPENDENT, "-k", "softmax-ridge")),
    Fault("pair-compose-signs", "pairs", "shift subtracted before and added after",
          (module("build/constructions", "(Wg, bg + s)", "(Wg, bg - s)"),
           module("build/constructions", "(Wf, bf - Wf @ s)", "(Wf, bf + Wf @ s)")),
          (BUILT, "-k", "test_compose")),
    Fault("pair-residual", "pairs", "incoming and outgoing norms both without square",
          (module("build/balancing", "(W**2).sum(axis=-1) + b**2 for", "abs(W).sum(axis=-1) + abs(b) for"),
           module("build/balancing", "(net.hidden[0] ** 2).sum(axis=-2), (net.last[0] ** 2).sum(axis=-2)[None]",
                  "abs(net.hidden[0]).sum(axis=-2), abs(net.last[0]).sum(axis=-2)[None]")),
          (BALANCED, "-k", "balance_residual_is")),
    Fault("pair-ledger-and-page-down", "pairs", "certified made reproduced, on the page too",
          with_page(on_record("balance", "^    status: certified", "    status: reproduced")), MAPPED),
    Fault("pair-ledger-and-page-up", "pairs", "reproduced made certified, on the page too",
          with_page(on_record("affine-law", "^    status: reproduced", "    status: certified")), MAPPED),
    Fault("pair-tolerance-and-line", "pairs", "a wider tolerance in the ledger, in the stored line and with a new hash",
          ((LEDGER, on_record("balance", r"at_most: 1\.0e-10", "at_most: 1.0e-7")),
           ("notebooks/cost.ipynb",
            on_notebook(reprint(r"at most 1e-10", "at most 1e-07", "balance", ("text/plain", "text/html")),
                        sealed=True))),
          ("tests/book/test_ledger.py", "tests/book/test_notebooks.py", "-k", "cost or test_the_ledger_of_the_book"),
          "ledger and chapter agree on another statement, which running the chapter does not contradict; only who "
          "reads the change can judge it"),
    Fault("pair-measured-and-page", "pairs", "another measurement in the ledger, on the page too",
          with_page(forged_ledger), WHOLE),
    Fault("pair-text-and-notebook", "pairs", "code changed in text and notebook alike",
          ((IPYNB, on_notebook(lambda nb: verdict_cell(nb).__setitem__(
              "source", verdict_cell(nb).source.replace("bn.check(", "bn.check( ", 1)))),
           (MD, paired_code)), STORED),
    Fault("pair-number-and-ledger", "pairs", "a measurement outside its tolerance in notebook, ledger, page and hash",
          ((IPYNB, on_notebook(spoil, sealed=True)), *with_page(spoilt_ledger)), BOTH),
    Fault("pair-verdict-and-status", "pairs", "a verdict made partly in notebook, hash, ledger and page",
          ((IPYNB, on_notebook(reprint(f"^holds  {CLAIM}", f"partly  {CLAIM}"), sealed=True)),
           *with_page(on_record(CLAIM, "^    status: certified\n    deviation: null",
                                "    status: partly\n    deviation: One check is off by a little."))), BOTH),
    Fault("pair-forged-within-tolerance", "pairs",
          "a measurement forged within its tolerance in notebook, hash, ledger and page alike",
          ((IPYNB, on_notebook(forge, sealed=True)), *with_page(forged_ledger)), BOTH, AGREED),
    Fault("pair-table-and-hash", "pairs", "another measurement in the table of a verdict alone, and the hash renewed",
          ((IPYNB, on_notebook(reprint(r"(</td><td>)\d", r"\g<1>7", kinds=["text/html"]), sealed=True)),), BOTH),
    Fault("pair-figures-and-hash", "pairs", "two figures exchanged and the hash renewed",
          ((IPYNB, on_notebook(exchange_figures, sealed=True)),), BOTH,
          "the hash tells edits by hand from runs, not forgeries that renew it; running the chapter again restores it"),
]  # fmt: skip
