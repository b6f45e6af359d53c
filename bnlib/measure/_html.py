"""A report as HTML: a fragment for notebooks, and a page that needs nothing from anywhere."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from . import advice
from ._blocks import Block, Row, layers
from ._measured import Measured

# Colours come from the page around, so that a dark notebook stays readable; figures are white, as in the book.
STYLE = """
.bnlib-report { max-width: 56rem; line-height: 1.45; overflow-wrap: break-word; }
.bnlib-report a { color: inherit; text-decoration: underline; text-underline-offset: 0.15em; }
.bnlib-report .verdict { font-size: 1.35rem; font-weight: 600; line-height: 1.3; margin: 0 0 0.6rem;
  padding-left: 0.8rem; border-left: 0.35rem solid #808080; }
.bnlib-report .verdict.bottleneck { border-color: #009e73; }
.bnlib-report .verdict.partial, .bnlib-report .verdict.undecided { border-color: #e69f00; }
.bnlib-report .verdict.collapsed { border-color: #d55e00; }
.bnlib-report .warning { margin: 0 0 0.8rem; padding: 0.5rem 0.8rem; border: 2px solid #d55e00; }
.bnlib-report .facts { display: flex; flex-wrap: wrap; gap: 0.1rem 1.3rem; margin: 0 0 0.6rem; padding: 0; }
.bnlib-report .facts div { display: flex; gap: 0.35rem; }
.bnlib-report dt { font-weight: 400; opacity: 0.75; }
.bnlib-report dd { margin: 0; font-weight: 600; }
.bnlib-report h2 { font-size: 1.05rem; font-weight: 600; margin: 0 0 0.3rem; }
.bnlib-report p { margin: 0.3rem 0; }
.bnlib-report figure { margin: 1rem 0; }
.bnlib-report figcaption, .bnlib-report .note { opacity: 0.8; margin: 0.3rem 0; }
.bnlib-report .figures { display: flex; flex-wrap: wrap; gap: 0.8rem; }
.bnlib-report .figures img { flex: 1 1 17rem; min-width: 0; max-width: 27rem; width: 100%; height: auto;
  background: white; border-radius: 4px; }
.bnlib-report section { margin: 0.9rem 0; padding-top: 0.7rem; border-top: 1px solid rgba(128, 128, 128, 0.45); }
.bnlib-report table { border-collapse: collapse; border: 0; margin: 0; font-size: 1em; color: inherit; }
.bnlib-report th, .bnlib-report td { text-align: left; vertical-align: baseline; padding: 0.1rem 1.1rem 0.1rem 0;
  border: 0; background: none; font-size: 1em; font-variant-numeric: tabular-nums; }
.bnlib-report th { font-weight: 400; }
.bnlib-report .numbers th { width: 10.5rem; font-weight: 600; }
.bnlib-report .numbers th.part { padding-left: 1rem; font-weight: 400; }
.bnlib-report .numbers td:nth-child(2) { width: 6.5rem; font-weight: 600; }
.bnlib-report .numbers td:nth-child(3) { opacity: 0.8; }
.bnlib-report .claims { font-size: 0.85em; white-space: nowrap; }
.bnlib-report .scroll { overflow-x: auto; }
.bnlib-report .layers th, .bnlib-report .layers td { text-align: right; white-space: nowrap; }
.bnlib-report .layers thead th { opacity: 0.75; }
.bnlib-report .layers .side { text-align: center; }
.bnlib-report .layers .middle { background: rgba(128, 128, 128, 0.18); }
.bnlib-report ul { margin: 0.3rem 0; padding-left: 1.1rem; }
.bnlib-report li { margin: 0.45rem 0; }
@media (max-width: 34rem) {
  .bnlib-report .numbers, .bnlib-report .numbers tbody { display: block; }
  .bnlib-report .numbers tr { display: grid; grid-template-columns: 1fr auto; padding: 0.15rem 0; }
  .bnlib-report .numbers th, .bnlib-report .numbers td:nth-child(2) { width: auto; padding-right: 0; }
  .bnlib-report .numbers td:nth-child(3) { grid-column: 1 / -1; padding-right: 0; }
  .bnlib-report .numbers th.part ~ td:nth-child(3) { padding-left: 1rem; }
  .bnlib-report .layers th, .bnlib-report .layers td { padding-right: 0.8rem; }
}
"""
AROUND = """
:root { color-scheme: light dark; }
body { margin: 0; padding: 1.2rem; font: 16px/1.45 system-ui, sans-serif; background: #ffffff; color: #1b1b1b; }
main { max-width: 56rem; margin: 0 auto; }
@media (prefers-color-scheme: dark) { body { background: #15181c; color: #e4e6e8; } }
"""


def page(m: Measured, inner: str) -> str:
    """Return a file of its own around a fragment."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(m.verdict)}</title>\n<style>{AROUND}</style>\n</head>\n"
        f"<body>\n<main>\n{inner}\n</main>\n</body>\n</html>\n"
    )


def fragment(
    m: Measured,
    facts: Sequence[tuple[str, str]],
    blocks: Sequence[Block],
    read: str,
    warning: str,
    figures: Mapping[str, bytes],
    caption: str,
    numerical: bool,
) -> str:
    """Write the parts of the text of a report, with figures.

    Args:
        m, facts, blocks, read, warning, numerical: as for the text; what comes from names of arrays is escaped.
        figures: SVG by title.
        caption: what they show, or why there are none.
    """
    parts = [
        f"<style>{STYLE}</style>",
        f'<p class="warning">{escape(warning)}</p>' if warning else "",
        f'<p class="verdict {m.bottleneck.replace(" ", "-")}">{escape(m.verdict)}</p>',
        '<dl class="facts">' + "".join(map(_fact, facts)) + "</dl>",
        _read(read),
        _figures(m, figures, caption),
        *map(_block, blocks),
        _layers(m, numerical),
        _tried(m),
        f'<section><p>What the words mean: <a href="{advice.address("book/your_network")}">'
        "the page on networks of your own</a>.</p></section>",
    ]
    return '<div class="bnlib-report">\n' + "\n".join(part for part in parts if part) + "\n</div>"


def _fact(fact: tuple[str, str]) -> str:
    name, value = fact
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _read(text: str) -> str:
    """Return what the text says of the reading, in one paragraph: its lines are broken elsewhere."""
    names, _, agreement = text.partition("=> ")
    first, *rest = names.splitlines() or [""]
    lines = [" ".join(first.split()), " ".join(" ".join(rest).split()), " ".join(agreement.split())]
    return f"<p>{'<br>'.join(escape(line) for line in lines if line)}</p>" if text else ""


def _figures(m: Measured, figures: Mapping[str, bytes], caption: str) -> str:
    counts = {"Weights": m.weight_ranks, "Representations": m.representation_ranks}
    above = {"Weights": "above one half", "Representations": "that hold all but a tenth of the norm"}
    images = []
    for title, svg in figures.items():
        ranks = ", ".join(str(rank.rank) for rank in counts[title])
        alt = f"{title}: singular values by layer. The numbers of those {above[title]} are {ranks}."
        data = base64.b64encode(svg).decode("ascii")
        images.append(f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">')
    drawn = f'<div class="figures">{"".join(images)}</div>'
    return f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"


def _claims(ids: tuple[str, ...]) -> str:
    links = (f'<a href="{advice.address("book/claims", f"claim-page-{name}")}">{name}</a>' for name in ids)
    return f' <span class="claims">[{", ".join(links)}]</span>'


def _block(block: Block) -> str:
    rows = "".join(map(_row, block.rows))
    said = f"<p>{escape(block.said)}{_claims(block.claims)}</p>"
    return f'<section><table class="numbers"><tbody>{rows}</tbody></table>{said}</section>'


def _row(row: Row) -> str:
    part = ' class="part"' if row.name.startswith(" ") else ""
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in (row.value, row.meaning))
    return f'<tr><th scope="row"{part}>{escape(row.name.strip())}</th>{cells}</tr>'


def _layers(m: Measured, numerical: bool) -> str:
    more = ["numerical", "ratio"] if numerical else []
    columns = 2 + len(more)
    sides = "".join(f'<th class="side" scope="colgroup" colspan="{columns}">{s}</th>' for s in ("weights", "features"))
    heads = "".join(f'<th scope="col">{h}</th>' for h in ("&gt;1/2", "gap", *more, "&gt;1/10", "gap", *more))
    lines = []
    for i, weights, features in layers(m, numerical):
        middle = ' class="middle"' if i - 1 in m.middle else ""
        cells = "".join(f"<td>{escape(cell.strip())}</td>" for cell in [*weights, *features])
        lines.append(f'<tr{middle}><th scope="row">{i}</th>{cells}</tr>')
    shaded = " The middle third is shaded." if m.middle else ""
    return (
        '<section><h2>Rank by layer</h2><p class="note">Singular values of the weights above one half, and dimensions '
        f"that hold all but a tenth of the norm of the features, each with the distance to the next.{shaded}</p>"
        '<div class="scroll"><table class="layers">'
        f'<thead><tr><th></th>{sides}</tr><tr><th scope="col">layer</th>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        f"<p>{escape(m.words['features'])}{_claims(('low-dim-features',))}</p></section>"
    )


def _tried(m: Measured) -> str:
    rows = "".join(
        f"<li><strong>{escape(row.see)}</strong>: {escape(row.means)}.<br>Try: {advice.linked(escape(row.do), _link)}."
        "</li>"
        for row in advice.advised(m.words)
    )
    return f"<section><h2>What to try</h2><ul>{rows}</ul></section>" if rows else ""


def _link(words: str, name: str, place: str) -> str:
    return f'<a href="{advice.address(name, place)}">{words}</a>'
