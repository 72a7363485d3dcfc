"""Substructure search by SMARTS: a fingerprint as a screen, then the search itself.

The functions of this module run on molecules that were standardised. A pattern from outside can take any time
to search, so call `match_structures` in a child process with limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rdkit import Chem

PATTERN_BITS = 1024
# Results are sent in parts, so that they need few bytes and the parent sees progress.
_PART = 2_000
_EXAMINED_AT_ONCE = 50


class InvalidPattern(ValueError):
    """The SMARTS cannot be read. The message says where and how to fix it."""


def read_pattern(smarts: str) -> Chem.Mol:
    """Raises InvalidPattern."""
    pattern = Chem.MolFromSmarts(smarts)
    if pattern is None or not pattern.GetNumAtoms():
        raise InvalidPattern(
            f"“{smarts[:80]}” is not a SMARTS. Check its brackets and ring numbers. "
            "Examples: c1ccccc1, [CX3](=O)[OX2H1]."
        )
    return pattern


def read_bits(smarts: str) -> Iterator[str]:
    """The bits of the pattern, as the only item. Raises InvalidPattern."""
    yield pattern_bits(read_pattern(smarts))


def pattern_bits(mol: Chem.Mol) -> str:
    """The pattern fingerprint as `PATTERN_BITS` characters 0 and 1.

    Every molecule with the substructure has at least the bits of the pattern.
    """
    return str(Chem.PatternFingerprint(mol, PATTERN_BITS).ToBitString())


def to_binary(mol: Chem.Mol) -> bytes:
    """RDKit's binary form with hydrogen counts and rings, but without names and properties."""
    return bytes(mol.ToBinary(Chem.PropertyPickleOptions.NoProps))


def structure_of(smiles: str) -> Chem.Mol:
    """A molecule from SMILES that this program wrote, without the checks that it passed then."""
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    mol.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(mol)
    return mol


def match_structures(smarts: str, rows: Iterable[tuple[int, bytes, str]]) -> Iterator[list[int]]:
    """The keys of the molecules with the substructure, in parts. Rows are (key, binary form, SMILES).

    A row without the binary form is read from its SMILES. Raises InvalidPattern.
    """
    pattern = read_pattern(smarts)
    found: list[int] = []
    for key, binary, smiles in rows:
        mol = Chem.Mol(binary) if binary else structure_of(smiles)
        if mol.HasSubstructMatch(pattern):
            found.append(key)
            if len(found) == _PART:
                yield found
                found = []
    yield found


def match_in_order(
    smarts: str, rows: Sequence[tuple[int, bytes, str]], limit: int
) -> Iterator[tuple[int, list[int]]]:
    """Go through the rows in their order until `limit` molecules have the substructure.

    Yields again and again how many rows were examined, and the keys that were found since the last time, so
    that a search that is stopped in between has not searched in vain. Raises InvalidPattern.
    """
    pattern = read_pattern(smarts)
    found: list[int] = []
    n_found = 0
    for number, (key, binary, smiles) in enumerate(rows, 1):
        mol = Chem.Mol(binary) if binary else structure_of(smiles)
        if mol.HasSubstructMatch(pattern):
            found.append(key)
            n_found += 1
        if n_found == limit or number % _EXAMINED_AT_ONCE == 0 or number == len(rows):
            yield number, found
            found = []
        if n_found == limit:
            return
