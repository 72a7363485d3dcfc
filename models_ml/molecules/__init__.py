"""Structures: standardisation, fingerprints, formulae, structure files, fragments, drawings. No torch."""

from rdkit import RDLogger

# RDKit prints a warning for every doubtful structure. What matters is raised or returned instead.
RDLogger.DisableLog("rdApp.*")
