"""The agents: which topics feed which processor, told once for the worker and for `replay`."""
