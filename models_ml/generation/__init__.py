"""Beam search that writes molecules: the decoder, SMILES syntax and the mass of what is written."""
