"""Method `fused`: sorts candidates by all evidence channels and gives them probabilities."""
