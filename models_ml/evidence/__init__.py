"""Channels of evidence: what each says of a spectrum and a candidate, apart from GLMR's own similarities."""
