"""Topics that nobody described, found while the stream runs."""
