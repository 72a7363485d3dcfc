"""Prepares data and trains the networks, stage by stage, from the command line."""
