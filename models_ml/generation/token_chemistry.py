"""The kind of each vocabulary token in a SMILES, and the mass and valences of atoms. For generation."""

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
# Smallest and largest number of bonds of a neutral atom. Bonds that are not written are hydrogens.
VALENCES = {
    "B": (3, 3), "C": (4, 4), "N": (3, 3), "O": (2, 2), "F": (1, 1), "Cl": (1, 1), "Br": (1, 1), "I": (1, 1),
    "P": (3, 5), "S": (2, 6), "Si": (4, 4), "Se": (2, 6),
}  # fmt: skip
# The same for aromatic atoms, without the valence that goes to the ring if the atom contributes no lone pair.
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
    """One token: its kind and, for an atom, its mass and valences."""

    kind: int
    mass: float = 0.0  # Da, of an atom and the hydrogens in its bracket
    low: int = 0  # smallest number of bonds and hydrogens, without hydrogens in the bracket
    high: int = 0  # largest number
    aromatic: bool = False
    order: int = 0  # of a bond
    ring: int = 0  # ring number


def token_chemistry(token: str) -> TokenChemistry:
    """Of any token except EOS. NEVER: not used in a single uncharged molecule."""
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
    """An atom in brackets. Its hydrogens are written, so all its other valences are bonds."""
    try:
        mass = formula_mass({symbol.capitalize(): 1})
    except ValueError:
        return TokenChemistry(NEVER)
    hydrogens = int(h[1:] or 1) if h else 0
    charged = int(charge[0] + (charge[1:] or "1")) if charge else 0
    mass += hydrogens * HYDROGEN_DA
    if symbol in AROMATIC_VALENCES:
        low, high = AROMATIC_VALENCES[symbol]
        if symbol == "n":  # [nH] has two ring bonds and its hydrogen, [n+] one bond more than n
            low, high = (3, 3) if charged > 0 or hydrogens else (2, 2 if charged < 0 else 3)
        if symbol == "c":
            low = high = 3 - abs(charged)
        return TokenChemistry(ATOM, mass, low - hydrogens, high - hydrogens, aromatic=True)
    low, high = VALENCES.get(symbol, (0, 0))
    # A charge removes a bond from C and Si. In B the bonds change against its sign, in other elements with
    # it.
    shift = {"C": -abs(charged), "Si": -abs(charged), "B": -charged}.get(symbol, charged)
    return TokenChemistry(ATOM, mass, max(low + shift - hydrogens, 0), max(high + shift - hydrogens, 0))


@dataclass(frozen=True, slots=True, eq=False)
class TokenTable:
    """The chemistry of a whole vocabulary. Tensors (V,) on one device hold what each step needs."""

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
