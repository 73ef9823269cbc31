"""What is known of an item, a topic, an entity."""
