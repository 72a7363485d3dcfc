"""The ranking methods that an evaluation compares."""
