"""The parts of the page, each one file."""
