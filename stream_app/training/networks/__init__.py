"""Networks, their training and their graphs: all that needs the extra `train` to be imported."""

from importlib.util import find_spec

for _needed in ("torch", "transformers", "onnx"):
    if find_spec(_needed) is None:
        raise ModuleNotFoundError(
            f"{_needed} is not installed: pip install 'stream-app[train]' brings it", name=_needed
        )
