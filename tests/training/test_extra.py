"""Without the extra `train`: what is imported all the same, and what names the extra to install."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HIDDEN = """
import sys
for name in ("torch", "transformers", "onnx", "safetensors", "implicit", "optuna", "peft",
             "snownlp", "tensorboard"):
    sys.modules[name] = None
"""
IMPORTS = """
import importlib, json, pkgutil
import stream_app.training
failed = {}
for module in pkgutil.walk_packages(
    stream_app.training.__path__, "stream_app.training.", onerror=lambda name: None
):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        failed[module.name.removeprefix("stream_app.training.")] = str(error)
print(json.dumps(failed))
"""
MESSAGE = "torch is not installed: pip install 'stream-app[train]' brings it"


def without_extra(program: str) -> subprocess.CompletedProcess[str]:
    """A program where nothing of the extra is to be found."""
    return subprocess.run([sys.executable, "-c", HIDDEN + program], capture_output=True, text=True)


def test_only_what_trains_a_network_cannot_be_imported_and_names_the_extra() -> None:
    done = without_extra(IMPORTS)
    assert done.returncode == 0, done.stderr
    failed = json.loads(done.stdout)
    assert failed.keys() == {"networks", "recommender.streamed", "recommender.training"}
    assert set(failed.values()) == {MESSAGE}


@pytest.mark.parametrize(
    "command",
    [
        "model train --base {0} --out {0}/o",
        "model distil {0} --out {0}/o",
        "model search --base {0} --out {0}/o",
        "model export {0} {0}/o",
        "model quantise {0} {0}/o",
        "recommend train --interactions {1} --out {0}/o",
        "recommend evaluate --interactions {1}",
    ],
)
def test_a_command_that_trains_names_the_extra_in_one_line(command: str, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("user_id,item_id,time\n1,2,3\n")
    arguments = command.format(tmp_path, file).split()
    done = without_extra(f"from stream_app.commands.main import main\nmain({arguments!r})\n")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"Error: {MESSAGE}"]
