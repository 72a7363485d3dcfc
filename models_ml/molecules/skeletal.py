"""Skeletal formulas as SVG from RDKit's coordinates, for machines without the X libraries of RDKit's drawer.

Hydrogens are drawn on hetero atoms only; stereo is not drawn.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDepictor

Point = NDArray[np.float64]

_BOND_PX = 34.0
_PADDING = 0.06
_FONT_PX = 13.0
_LINE_GAP_PX = 3.5  # between the strokes of a multiple bond
_CLEAR_PX = 8.0  # a bond stops this far from a labelled atom
_CARBON = "#000000"
_HYDROGENS_FIRST = ("O", "S", "Se", "F", "Cl", "Br", "I")  # H₂O and HCl, but NH₃ and CH₄
_COLOURS = {"O": "#E00000", "N": "#2F45D8", "S": "#A08A00", "P": "#C86400"} | dict.fromkeys(
    ("F", "Cl", "Br", "I"), "#1E8A1E"
)


@dataclass(frozen=True, slots=True)
class _Layout:
    """A molecule with the positions of its atoms in the picture, in pixels, y downwards."""

    mol: Chem.Mol
    positions: NDArray[np.float64]  # (atoms, 2)
    labelled: frozenset[int]


def skeletal_svg(
    mol: Chem.Mol, width: int, height: int, highlighted: Collection[int], colour: str = "#FBD173"
) -> str:
    """One `<svg>` element. Highlighted atoms and the bonds between them have a coloured background."""
    layout = _lay_out(mol, width, height)
    parts = [
        f"<svg version='1.1' xmlns='http://www.w3.org/2000/svg' width='{width}px' height='{height}px' "
        f"viewBox='0 0 {width} {height}'>"
    ]
    parts += _underlay(layout, highlighted, colour)
    for bond in layout.mol.GetBonds():
        parts += _bond(layout, bond)
    parts += [_label(layout, index) for index in sorted(layout.labelled)]
    return "\n".join([*parts, "</svg>"])


def _lay_out(mol: Chem.Mol, width: int, height: int) -> _Layout:
    drawn = Chem.Mol(mol)
    Chem.Kekulize(drawn, clearAromaticFlags=True)
    if not drawn.GetNumConformers():  # an aligned drawing has its coordinates
        rdDepictor.Compute2DCoords(drawn, canonOrient=True)
    positions = np.array(drawn.GetConformer().GetPositions(), dtype=np.float64)[:, :2] * (1.0, -1.0)
    low, high = positions.min(axis=0), positions.max(axis=0)
    frame = np.array([width, height], dtype=np.float64)
    lengths = [
        float(np.linalg.norm(positions[bond.GetBeginAtomIdx()] - positions[bond.GetEndAtomIdx()]))
        for bond in drawn.GetBonds()
    ]
    # Labels extend beyond their atoms, so half a line of text stays free besides the padding.
    room = np.maximum(frame * (1.0 - 2.0 * _PADDING) - 2.0 * _FONT_PX, 1.0)
    fitting = float((room / np.maximum(high - low, 1e-6)).min())
    scale = min(fitting, _BOND_PX / float(np.mean(lengths)) if lengths else fitting)
    positions = (positions - (low + high) / 2.0) * scale + frame / 2.0
    return _Layout(drawn, positions, frozenset(a.GetIdx() for a in drawn.GetAtoms() if _needs_label(a)))


def _needs_label(atom: Chem.Atom) -> bool:
    return bool(
        atom.GetSymbol() != "C"
        or atom.GetFormalCharge()
        or atom.GetIsotope()
        or atom.GetNumRadicalElectrons()
        or atom.GetDegree() == 0
    )


def _underlay(layout: _Layout, highlighted: Collection[int], colour: str) -> list[str]:
    chosen = set(highlighted)
    parts = []
    for bond in layout.mol.GetBonds():
        first, second = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if first in chosen and second in chosen:
            parts.append(_line(layout.positions[first], layout.positions[second], colour, 9.0))
    for x, y in (layout.positions[index] for index in sorted(chosen)):
        parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='8' fill='{colour}'/>")
    return parts


def _bond(layout: _Layout, bond: Chem.Bond) -> list[str]:
    first, second = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    start, end = layout.positions[first], layout.positions[second]
    length = float(np.linalg.norm(end - start)) or 1.0
    along = (end - start) / length
    clear = min(_CLEAR_PX, length / 3.0)
    if first in layout.labelled:
        start = start + along * clear
    if second in layout.labelled:
        end = end - along * clear
    across = np.array([-along[1], along[0]]) * _LINE_GAP_PX
    colours = _colour(bond.GetBeginAtom()), _colour(bond.GetEndAtom())
    strokes = []
    for offset, shortening in _strokes(layout, bond, across):
        inset = along * shortening * length
        strokes += _two_coloured(start + offset + inset, end + offset - inset, colours)
    return strokes


def _strokes(layout: _Layout, bond: Chem.Bond, across: Point) -> list[tuple[Point, float]]:
    """Each stroke of a bond: its offset, and the share of the length that is cut at both ends."""
    no_offset = np.zeros(2)
    order = bond.GetBondType()
    if order == Chem.BondType.TRIPLE:
        return [(no_offset, 0.0), (across, 0.0), (-across, 0.0)]
    if order != Chem.BondType.DOUBLE:
        return [(no_offset, 0.0)]
    side = _inner_side(layout, bond, across)
    if side == 0.0:
        return [(across / 2.0, 0.0), (-across / 2.0, 0.0)]
    return [(no_offset, 0.0), (across * side, 0.12)]


def _inner_side(layout: _Layout, bond: Chem.Bond, across: Point) -> float:
    """Side of the second stroke of a double bond: towards its ring, else its neighbours; 0 for both sides."""
    ends = {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()}
    rings = [ring for ring in layout.mol.GetRingInfo().AtomRings() if ends <= set(ring)]
    if rings:
        around = [index for index in min(rings, key=len) if index not in ends]
    else:
        if any(layout.mol.GetAtomWithIdx(index).GetDegree() == 1 for index in ends):
            return 0.0
        neighbours = (atom for index in ends for atom in layout.mol.GetAtomWithIdx(index).GetNeighbors())
        around = [atom.GetIdx() for atom in neighbours if atom.GetIdx() not in ends]
    middle = layout.positions[sorted(ends)].mean(axis=0)
    return float(np.sign(sum(float((layout.positions[index] - middle) @ across) for index in around)))


def _two_coloured(start: Point, end: Point, colours: tuple[str, str]) -> list[str]:
    if colours[0] == colours[1]:
        return [_line(start, end, colours[0])]
    middle = (start + end) / 2.0
    return [_line(start, middle, colours[0]), _line(middle, end, colours[1])]


def _line(start: Point, end: Point, colour: str, width: float = 1.6) -> str:
    return (
        f"<path d='M {start[0]:.1f},{start[1]:.1f} L {end[0]:.1f},{end[1]:.1f}' fill='none' "
        f"stroke='{colour}' stroke-width='{width}' stroke-linecap='round'/>"
    )


def _label(layout: _Layout, index: int) -> str:
    """The element at the position of the atom, its hydrogens on the side without a bond."""
    atom = layout.mol.GetAtomWithIdx(index)
    x, y = layout.positions[index]
    bonded = [layout.positions[other.GetIdx()][0] - x for other in atom.GetNeighbors()]
    alone = not bonded and atom.GetSymbol() in _HYDROGENS_FIRST
    hydrogens_left = alone or sum(bonded) > 1.0
    isotope = _raised(str(atom.GetIsotope())) if atom.GetIsotope() else ""
    element = isotope + atom.GetSymbol()
    count = atom.GetTotalNumHs()
    hydrogens = ("H" + (_lowered(str(count)) if count > 1 else "")) if count else ""
    charge = _raised(_charge(atom.GetFormalCharge()) + "•" * atom.GetNumRadicalElectrons())
    text = f"{hydrogens}{element}{charge}" if hydrogens_left else f"{element}{hydrogens}{charge}"
    # The text anchor keeps the letters of the element over the atom, whatever is beside them.
    shift = 0.36 * _FONT_PX * len(atom.GetSymbol())
    anchor, at = ("end", x + shift) if hydrogens_left else ("start", x - shift)
    if not count:
        anchor, at = "middle", x
    return (
        f"<text x='{at:.1f}' y='{y + 0.36 * _FONT_PX:.1f}' text-anchor='{anchor}' font-size='{_FONT_PX:.0f}' "
        f"font-family='sans-serif' fill='{_colour(atom)}'>{text}</text>"
    )


def _charge(charge: int) -> str:
    sign = "+" if charge > 0 else "−"
    return "" if charge == 0 else sign if abs(charge) == 1 else f"{abs(charge)}{sign}"


def _raised(text: str) -> str:
    return f"<tspan dy='-4' font-size='9'>{text}</tspan><tspan dy='4'>\u200b</tspan>" if text else ""


def _lowered(text: str) -> str:
    return f"<tspan dy='3' font-size='9'>{text}</tspan><tspan dy='-3'>\u200b</tspan>"


def _colour(atom: Chem.Atom) -> str:
    return _COLOURS.get(atom.GetSymbol(), _CARBON)
