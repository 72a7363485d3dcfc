"""Stage 3: fusion and decoder learn to generate the molecule from the spectrum and its retrieved candidates.

Both encoders are frozen. The truth is never forced among the candidates, and is removed from a share of rows,
so that the decoder learns to refine and not only to copy. An encoder memorises its training spectra and
retrieves their truths twice as often as those of new spectra. With cross-fitting, each spectrum is read by an
encoder that never saw its compound: one of several contrastive stages from the same pre-training, each with
another fold held out. A share of the simulated spectra is kept from those stages for the same reason.
"""
