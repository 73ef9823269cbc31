"""Hyper-parameter search over short runs, by Optuna."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna

from stream_app.training.model.data import Row
from stream_app.training.networks.training import Recipe, train


def suggested(trial: optuna.Trial, recipe: Recipe) -> Recipe:
    """The recipe with what is searched drawn by the trial."""
    return replace(
        recipe,
        learning_rate=trial.suggest_float("learning_rate", 2e-5, 2e-4, log=True),
        head_learning_rate=trial.suggest_float("head_learning_rate", 2e-4, 3e-3, log=True),
        smoothing=trial.suggest_float("smoothing", 0.0, 0.1),
        warm_up=trial.suggest_float("warm_up", 0.02, 0.2),
        anchor_weight=trial.suggest_float("anchor_weight", 0.3, 3.0, log=True),
    )


def search(
    base: Path,
    rows: Sequence[Row],
    held_out: Sequence[Row],
    out: Path,
    recipe: Recipe,
    trials: int,
) -> float:
    """Run trials, write the best recipe to `out`/recipe.toml; its macro-F1 on `held_out`.

    The trials of earlier calls are in `out`/search.db and count.
    """
    out.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="recipe",
        storage=f"sqlite:///{out / 'search.db'}",
        sampler=optuna.samplers.TPESampler(seed=recipe.seed),
        direction="maximize",
        load_if_exists=True,
    )

    def value(trial: optuna.Trial) -> float:
        with TemporaryDirectory() as folder:
            metrics = train(base, rows, held_out, Path(folder), suggested(trial, recipe))
        return metrics["macro_f1"]

    study.optimize(value, n_trials=trials)
    best = replace(recipe, **study.best_params)
    lines = [f"{name} = {value}\n" for name, value in asdict(best).items()]
    (out / "recipe.toml").write_text("".join(lines), encoding="utf-8")
    return float(study.best_value)
