"""Stage 2: the spectrum encoder learns to place a spectrum near the frozen vector of its molecule.

Dual-path InfoNCE. ms2mol: a spectrum against the molecules of its batch. mol2ms: a molecule against its own
spectrum and copies of that spectrum with random intensities. E^s and E^m: docs/glossary.md.
"""
