"""What is known of a user: one record, folded from what they write and do."""
