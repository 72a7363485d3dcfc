"""Puts rows of metrics together and writes them as JSON, tables and plots."""
