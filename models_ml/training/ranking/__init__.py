"""Trains the fused ranking: channels, rankers and absence classifiers."""
