"""Measures ranking methods on spectra of known molecules, by running the server's own `annotate`."""
