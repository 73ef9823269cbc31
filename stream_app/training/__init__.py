"""All that needs torch, onnx or implicit; a worker never imports it."""
