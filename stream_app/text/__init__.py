"""Cleaning, masking of personal data, and language: what every text passes before the model."""
