"""Method `fused`: all channels of evidence together order the candidates and say how sure that order is."""
