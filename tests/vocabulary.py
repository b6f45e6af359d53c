"""The words and symbols that the book no longer uses, each with what it says instead: one name for one thing."""

# In words of chapters and pages: prose, captions, descriptions of figures, comments and printed phrases of code.
WORDS = {
    r"\b[Pp]rice[sd]?\b(?!'s theorem)": "cost; of a function beyond k per layer: excess over rank",
    r"\b[Dd]ear(?:er|est|ly)?\b": "costly, or costs more",
    r"\b[Ss]ettled\b": "converged",
    r"\b[Nn]ets?\b": "network",
    r"\b[Dd]ecided cells?\b|\bcells? (?:is|are) (?:not )?\*{0,2}(?:un)?decided": "clear cell",
    r"\bexcess of the bottleneck theorem": "unexplained excess",
    r", for (?:it|they|there|we|he|she|one|this|that|these|those|its|no|both|each|every|all|not|here|then|only|if|what"
    r"|nothing|(?:an?|the) [\w-]+) (?:is|are|has|have|can|cannot|does|do|may|will|was|were)\b": "because",
    r"\b[Hh]ardly\b": "barely, almost no, or a number",
    r"\b[Mm]oreover\b": "also, or a new sentence",
    r"\b[Ww]hilst\b|\b[Tt]hereby\b|\b[Ww]herein\b": "a plain word",
    r"\b[Oo]bviously\b|\b[Oo]f course\b|\b[Cc]learly\b": "the reason, or nothing",
    r"\b[Aa]dded later\b|\b[Ee]arlier runs\b|\bno longer stored\b": "what is done, not how it came about",
    r"\bin the sense of {doc}": "a link to the definition, as {term}",
    r"\b[Nn]eedless to say\b|\bit is easy to see\b": "nothing",
    r"\b(?:last|next|previous|following) chapter|\bchapters? before\b(?! the\b)": "a link to the chapter",
}
# In formulas, everywhere and by chapter.
FORMULAS = {r"\\Theta_\\infty\^\{-1\}": r"the pseudo-inverse \Theta_\infty^+"}
DIAMETER = {r"(?<![A-Za-z\\])D(?![A-Za-z_])": r"\operatorname{diam}\Omega"}
INPUTS = {r"(?<![A-Za-z\\])D(?![A-Za-z_])": "d_{in}"}
NEURON = {r"(?<![A-Za-z\\])[AB]_i\b": r"a_i^{\mathrm{in}} and a_i^{\mathrm{out}}"}
SYMBOLS = {
    "cost": NEURON,
    "training": NEURON,
    "weights": {
        r"(?<![A-Za-z\\])A_(?:l\b|\{)": "G_l",
        r"(?<![A-Za-z\\])H_(?:l\b|\{)": "P_l",
    },
    "features": {
        r"(?<![A-Za-z\\])A_(?:l\b|\{)": r"\alpha_l(X)",
        r"\\tilde Z_": r"\tilde\alpha_l(X)",
        r"HKH|HK'H|_lH\b|\}H\b|H=I": "C_N",
    },
    "curve": DIAMETER,
    "window": {**DIAMETER, r"\bT_[r23]": "c_1"},
    "narrow": DIAMETER,
    "classifier": {r"(?<![A-Za-z\\])H_[a-z]\b": "I_j"},
    "moving_points": {**INPUTS, r"(?<!tilde)\\alpha_k": r"\tilde\alpha_k"},
    "acceleration": {**INPUTS, r"\\lambda(?!_\{\\max)": r"\xi"},
    "infinite_features": INPUTS,
}
