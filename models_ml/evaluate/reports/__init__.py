"""Collects the metrics of methods into reports, and shows them as tables and plots."""
