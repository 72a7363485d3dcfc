"""Measures ranking methods on spectra of known molecules. It runs the same `annotate` as the server."""
