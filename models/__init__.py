"""Bundles of weights, the runtime that serves them, and the commands that make them."""
