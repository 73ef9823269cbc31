"""Where what ships beside the code lies: bundles, recipes, examples.

In a checkout that is the top level's `models`; a wheel holds the same folder within the package,
so that nothing of ours stands beside a user's own modules.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_WHEEL = _PACKAGE / "shipped"
ROOT = _WHEEL if _WHEEL.is_dir() else _PACKAGE.parent
"""Holds `models` and `schemas`."""
MODELS = ROOT / "models"
