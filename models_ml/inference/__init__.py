"""A loaded checkpoint at work: embedding, generation, re-ranking, and `annotate` over them all."""
