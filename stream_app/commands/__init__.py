"""`stream-app`: one module a verb, thin over the rooms."""
