"""Molecular formula candidates of a spectrum: enumerated from the precursor, ranked by peaks and isotopes.

Knows no library and no structure. Needs RDKit for atomic masses, and no torch.
"""
