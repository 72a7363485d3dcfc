"""Beam search that generates molecules: the decoder, SMILES syntax and the mass constraint.

Symbols and tensor axes: docs/glossary.md.
"""
