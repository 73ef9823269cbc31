"""Texts to sentiment, topics and embeddings: bundles and the runtime that serves them."""
