"""Structures: standardisation, fingerprints, formulae, files, fragmentation, drawings. No torch."""

from rdkit import RDLogger

# RDKit prints every doubtful structure on stderr; whatever matters is raised or returned here instead.
RDLogger.DisableLog("rdApp.*")
