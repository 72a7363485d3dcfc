"""Metrics of rankings and of their probabilities, with intervals."""
