"""What travels: messages, topics, ids, vectors, dead letters."""
