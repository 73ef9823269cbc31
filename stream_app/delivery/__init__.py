"""What moves data without losing it: messages, ordered acks, tables, dead letters."""
