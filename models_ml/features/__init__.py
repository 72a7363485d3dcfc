"""Features: the MS2 spectra of one ion of one run, and what its MS1 scans show. No torch and no Django."""
