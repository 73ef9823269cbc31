"""The process that `bench/fuzz.py` starts: libFuzzer over its targets."""

import sys

import atheris

with atheris.instrument_imports(include=["schemas", "stream_app", "models"]):
    from bench.fuzz import target


def main() -> None:
    """Arguments are libFuzzer's."""
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
