"""What each token of a vocabulary is in a SMILES, and what an atom weighs and can bind: for generation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from models_ml.molecules.formula import formula_mass
from models_ml.tokenizer import EOS

HYDROGEN_DA = formula_mass({"H": 1})

# Kinds of tokens
NEVER, ATOM, BOND, OPEN, CLOSE, RING, END = range(7)

BRANCHES = {"(": OPEN, ")": CLOSE}
BOND_ORDERS = {"-": 1, "/": 1, "\\": 1, ":": 1, "=": 2, "#": 3}
# Bonds that a neutral atom without hydrogens can have: fewest and most. What it has fewer is hydrogen.
VALENCES = {
    "B": (3, 3), "C": (4, 4), "N": (3, 3), "O": (2, 2), "F": (1, 1), "Cl": (1, 1), "Br": (1, 1), "I": (1, 1),
    "P": (3, 5), "S": (2, 6), "Si": (4, 4), "Se": (2, 6),
}  # fmt: skip
# Of an aromatic atom one bond of its valence goes round the ring, or it gives a pair and none does.
AROMATIC_VALENCES = {
    "b": (2, 3),
    "c": (3, 3),
    "n": (2, 3),
    "o": (2, 2),
    "p": (2, 3),
    "s": (2, 2),
    "se": (2, 2),
}
BRACKET_ATOM = re.compile(
    r"\[\d*(?P<symbol>[A-Z][a-z]?|[a-z]{1,2})@*(?P<h>H\d?)?(?P<charge>[+-]\d?)?(?::\d+)?\]"
)


@dataclass(frozen=True, slots=True)
class TokenChemistry:
    """One token: what it is and, for an atom, what it weighs and how many hydrogens it can bring."""

    kind: int
    mass: float = 0.0  # Da, of the atom and the hydrogens written in its bracket
    low: int = 0  # bonds and hydrogens besides those in a bracket, fewest
    high: int = 0  # and most
    aromatic: bool = False
    order: int = 0  # of a bond
    ring: int = 0  # its number


def token_chemistry(token: str) -> TokenChemistry:
    """Of any token of the vocabulary but EOS; NEVER for what a single uncharged molecule has no use for."""
    if token in BOND_ORDERS:
        return TokenChemistry(BOND, order=BOND_ORDERS[token])
    if token in BRANCHES:
        return TokenChemistry(BRANCHES[token])
    if re.fullmatch(r"[1-9]|%\d\d", token):
        return TokenChemistry(RING, ring=int(token.lstrip("%")))
    if token in VALENCES:
        low, high = VALENCES[token]
        return TokenChemistry(ATOM, formula_mass({token: 1}), low, high)
    if token in AROMATIC_VALENCES:
        low, high = AROMATIC_VALENCES[token]
        return TokenChemistry(ATOM, formula_mass({token.capitalize(): 1}), low, high, aromatic=True)
    if match := BRACKET_ATOM.fullmatch(token):
        return _bracket_atom(match["symbol"], match["h"] or "", match["charge"] or "")
    return TokenChemistry(NEVER)


def _bracket_atom(symbol: str, h: str, charge: str) -> TokenChemistry:
    """An atom whose hydrogens are written: all the bonds it could have beside them are bonds it has."""
    try:
        mass = formula_mass({symbol.capitalize(): 1})
    except ValueError:
        return TokenChemistry(NEVER)
    hydrogens = int(h[1:] or 1) if h else 0
    charged = int(charge[0] + (charge[1:] or "1")) if charge else 0
    mass += hydrogens * HYDROGEN_DA
    if symbol in AROMATIC_VALENCES:
        low, high = AROMATIC_VALENCES[symbol]
        if symbol == "n":  # [nH] has two ring bonds beside its hydrogen, [n+] one bond more than n
            low, high = (3, 3) if charged > 0 or hydrogens else (2, 2 if charged < 0 else 3)
        if symbol == "c":
            low = high = 3 - abs(charged)
        return TokenChemistry(ATOM, mass, low - hydrogens, high - hydrogens, aromatic=True)
    low, high = VALENCES.get(symbol, (0, 0))
    # A charged carbon or boron-like atom loses a bond or gains one; others follow the sign of the charge.
    shift = {"C": -abs(charged), "Si": -abs(charged), "B": -charged}.get(symbol, charged)
    return TokenChemistry(ATOM, mass, max(low + shift - hydrogens, 0), max(high + shift - hydrogens, 0))


@dataclass(frozen=True, slots=True, eq=False)
class TokenTable:
    """The chemistry of a whole vocabulary, as tensors (V,) on one device what is asked at every step."""

    tokens: tuple[TokenChemistry, ...]
    kind: Tensor
    mass: Tensor  # float64
    low: Tensor
    high: Tensor


@lru_cache(maxsize=8)
def token_table(tokens: tuple[str, ...], device: str) -> TokenTable:
    rows = [token_chemistry(token) for token in tokens]
    rows[EOS] = TokenChemistry(END)

    def column(values: Sequence[float], dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    return TokenTable(
        tokens=tuple(rows),
        kind=column([row.kind for row in rows]),
        mass=column([row.mass for row in rows], torch.float64),
        low=column([row.low for row in rows]),
        high=column([row.high for row in rows]),
    )
