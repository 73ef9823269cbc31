"""What a person should hear of: severe reviews, surges of negative ones, trends, what emerges."""
