"""A small made-up shop: items, a week of reviews and behaviours, and what breaks."""
