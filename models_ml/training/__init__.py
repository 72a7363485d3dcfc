"""Preparing data and training the networks, stage by stage, from the command line."""
