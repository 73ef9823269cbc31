"""The four steps of the flow as pure functions of a batch: the worker and `replay` share them."""
