"""Structure drawings as SVG for web pages: transparent, with a title for screen readers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

from rdkit import Chem

from models_ml.molecules.aligned import align
from models_ml.molecules.skeletal import skeletal_svg
from models_ml.molecules.structure_text import UnusableStructure, parse_structure

try:
    from rdkit.Chem.Draw import rdMolDraw2D
except ImportError:  # it needs libXrender, libXext and libexpat, which a minimal system lacks
    rdMolDraw2D = None  # noqa: N816 (RDKit's name)

_HIGHLIGHT = (0.98, 0.82, 0.45)  # amber: differs clearly from red oxygen and blue nitrogen
_MAX_SIDE_PX = 2_000


NOT_ALIGNED = "not aligned: takes too long"


def depict_svg(
    smiles: str,
    width: int = 240,
    height: int = 180,
    highlight_atoms: Sequence[int] = (),
    *,
    title: str = "",
) -> str:
    """One ``<svg>`` element for use inside HTML. Text that is not a structure gives a notice.

    ``highlight_atoms`` are atom indices in the order of the SMILES; unknown indices are ignored. ``title`` is
    the accessible name; the default is the SMILES.
    """
    return depict_aligned(smiles, "", width, height, highlight_atoms, title=title)[0]


def depict_aligned(
    smiles: str,
    like: str,
    width: int = 240,
    height: int = 180,
    highlight_atoms: Sequence[int] = (),
    *,
    title: str = "",
) -> tuple[str, bool]:
    """`depict_svg` aligned to the structure ``like``. Atoms that differ are marked, unless others are.

    Where the search for the common part takes too long, the drawing says that it is not aligned. The second
    value is False if a later call may have the time. See `align`.
    """
    width, height = (max(1, min(side, _MAX_SIDE_PX)) for side in (width, height))
    in_time = is_final = True
    try:
        mol = parse_structure(smiles)
        if like:
            aligned = align(mol, parse_structure(like))
            mol, in_time, is_final = aligned.mol, aligned.in_time, aligned.is_final
            highlight_atoms = highlight_atoms or aligned.differing
        drawing = _draw(mol, width, height, highlight_atoms)
    except (UnusableStructure, RuntimeError, ValueError):
        return _notice(width, height, title or "No structure"), True
    svg = _accessible(drawing, title or smiles)
    return svg if in_time else _with_note(svg, height), is_final


def _with_note(svg: str, height: int) -> str:
    note = f'<text x="4" y="{height - 5}" font-size="11" fill="currentColor">{NOT_ALIGNED}</text>'
    return svg.removesuffix("</svg>") + note + "</svg>"


def _draw(mol: Chem.Mol, width: int, height: int, highlight_atoms: Sequence[int]) -> str:
    atoms = sorted({index for index in highlight_atoms if 0 <= index < mol.GetNumAtoms()})
    if rdMolDraw2D is None:
        return skeletal_svg(mol, width, height, atoms)
    drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
    options = drawer.drawOptions()
    options.clearBackground = False
    options.padding = 0.06
    options.fixedBondLength = 25  # small molecules do not grow to fill the frame
    options.setHighlightColour(_HIGHLIGHT)
    chosen = set(atoms)
    bonds = [
        bond.GetIdx()
        for bond in mol.GetBonds()
        if bond.GetBeginAtomIdx() in chosen and bond.GetEndAtomIdx() in chosen
    ]
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, mol, highlightAtoms=atoms, highlightBonds=bonds)
    drawer.FinishDrawing()
    return str(drawer.GetDrawingText())


def _accessible(drawing: str, title: str) -> str:
    """The drawing with a role and a title, without XML prologue, comments and style attributes.

    Styles become attributes, because a content security policy can forbid inline styles. Black becomes the
    colour of the surrounding text, for dark pages.
    """
    svg = drawing[drawing.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL).strip()
    svg = re.sub(r"style='([^']*)'", _as_attributes, svg).replace("#000000", "currentColor")
    opening_end = svg.index(">") + 1
    opening = svg[: opening_end - 1]
    label = escape(title, {'"': "&quot;", "'": "&#39;"})
    return f'{opening} role="img" aria-label="{label}"><title>{label}</title>{svg[opening_end:]}'


def _as_attributes(style: re.Match[str]) -> str:
    pairs = (item.partition(":") for item in style.group(1).split(";") if item.strip())
    return " ".join(f"{name.strip()}='{value.strip()}'" for name, _, value in pairs)


def _notice(width: int, height: int, text: str) -> str:
    label = escape(text, {'"': "&quot;", "'": "&#39;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{label}"><title>{label}</title>'
        '<text x="50%" y="50%" text-anchor="middle" fill="currentColor">No structure</text></svg>'
    )
