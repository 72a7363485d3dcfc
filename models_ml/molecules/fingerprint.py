"""Morgan fingerprints (radius 2, 2048 bits) as 256 bytes, and Tanimoto similarity on them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

N_BITS = 2048
N_BYTES = N_BITS // 8
RADIUS = 2

_generators = threading.local()  # RDKit does not document its generators as thread-safe


def morgan_fingerprint(mol: Chem.Mol) -> bytes:
    """256 bytes. Bit 0 is the highest bit of the first byte, as in ``np.packbits``."""
    generator = getattr(_generators, "morgan", None)
    if generator is None:
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=N_BITS)
        _generators.morgan = generator
    return bytes(np.packbits(generator.GetFingerprintAsNumPy(mol)).tobytes())


def fingerprint_matrix(fingerprints: Sequence[bytes]) -> NDArray[np.uint8]:
    """(M, 256) uint8 of packed fingerprints. Raises ValueError for a wrong length."""
    joined = b"".join(fingerprints)
    if len(joined) != len(fingerprints) * N_BYTES:
        raise ValueError(f"Every fingerprint must be {N_BYTES} bytes long.")
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(fingerprints), N_BYTES)


def tanimoto(first: bytes, second: bytes) -> float:
    """Shared bits divided by all bits, 0 to 1; 0 if both are empty."""
    return float(bulk_tanimoto(first, fingerprint_matrix([second]))[0])


def bulk_tanimoto(query: bytes, matrix: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Tanimoto of one fingerprint and each row of a `fingerprint_matrix` (M, 256); (M,)."""
    row = np.frombuffer(query, dtype=np.uint8)
    shared = np.bitwise_count(matrix & row).sum(axis=1, dtype=np.int64)
    union = np.bitwise_count(matrix | row).sum(axis=1, dtype=np.int64)
    similarity: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(len(matrix)), where=union > 0)
    return similarity


def unpack_bits(fingerprint: bytes) -> NDArray[np.uint8]:
    """(2048,) zeros and ones."""
    return np.unpackbits(np.frombuffer(fingerprint, dtype=np.uint8))
