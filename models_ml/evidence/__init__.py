"""Evidence channels: what each states about a spectrum and a candidate, besides GLMR's own similarities."""
