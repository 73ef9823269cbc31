"""Reviews, comments and questions understood while they arrive."""
