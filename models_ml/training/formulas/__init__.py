"""Fits the parameters of the formula ranking. Needs RDKit, not torch."""
