"""Recommenders on recorded interactions: read a log, split it, rank, measure. No Kafka here."""
