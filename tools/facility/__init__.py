"""Runs the built images as a facility does, and checks what the guides promise: `make images`."""
