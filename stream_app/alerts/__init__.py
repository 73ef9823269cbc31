"""Alerts: severe reviews, and surges of negative ones."""
