"""From a user's record to ranked items, each with its reasons."""
