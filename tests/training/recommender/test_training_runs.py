"""Learning a recommender from a log, writing it, serving it."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="needs stream-app[train]")
pytest.importorskip("implicit", reason="needs stream-app[train]")

from stream_app.commands.main import main
from stream_app.inference.bundle import BundleError
from stream_app.interests.update import DAY
from stream_app.recommend import bundle
from stream_app.training.networks.sequences import Recipe
from stream_app.training.recommender import factors, training
from stream_app.training.recommender.baselines import IALS
from stream_app.training.recommender.log import Interaction, log_of
from tests.recommend.checkerboard import catalogue
from tests.recommend.make_recommender import board

SMALL = Recipe(width=8, epochs=40, dropout=0.1)


@pytest.fixture(scope="module")
def learnt() -> training.Learnt:
    items = catalogue(order=board().items)
    plan = training.Plan({"review": 1.0}, [30.0, 90.0], SMALL)
    return training.learn(board(), items, plan, "made", "m-1")


def test_what_is_learnt_leads_users_to_their_colour(learnt: training.Learnt) -> None:
    log = board()
    items = catalogue(order=log.items)
    fed = training.feed(items, learnt.trained, learnt.trained.config.weights)
    for row in range(len(log)):
        fed.observe(log, row)
    say = np.array(list(learnt.trained.config.weights.values()), np.float32)
    assert say.sum() == pytest.approx(1, abs=1e-3) and (say >= 0).all()
    for number, name in enumerate(log.users):
        scores = fed.totals(number)
        scores[fed.known(number)] = -np.inf
        assert int(log.items[int(scores.argmax())][1:]) % 2 == int(name[1:]) % 2


def test_the_half_life_that_foresees_best_is_taken(learnt: training.Learnt) -> None:
    tried = learnt.metrics["slice_ndcg@10"]
    best = max(tried, key=tried.__getitem__)
    assert best == f"half-life {learnt.trained.config.half_life_days:g} days"
    assert len(tried) == 2


def test_the_weight_of_a_kind_of_event_is_searched() -> None:
    # A view of the other colour comes before every purchase: views mislead.
    events = []
    for number, given in enumerate(board(24).interactions):
        other = f"i{(int(given.item[1:]) + 1) % 12}"
        events.append(Interaction(given.time - 60, given.user, other, kind="view"))
        kind = "purchase" if (given.stars or 0) > 3 else "hide"
        events.append(Interaction(given.time + number, given.user, given.item, kind=kind))
    log = log_of(events)
    plan = training.Plan({"view": 0.5, "purchase": 1.0, "hide": -1.0}, [90.0], Recipe(8, 1))
    trained, metrics = training.learn(log, catalogue(order=log.items), plan, "kinds", "")
    tried = metrics["slice_ndcg@10"]
    assert {"view 0.25", "view 1", "half-life 90 days"} <= tried.keys()
    assert trained.config.events.keys() == {"view", "purchase", "hide"}
    # The one taken is the best, or not worth a change.
    chosen = trained.config.events != plan.weights
    assert chosen is (max(tried.values()) > tried["half-life 90 days"] + training.GAIN)


def test_a_user_folded_in_is_what_the_library_makes_of_them() -> None:
    log = board()
    items = catalogue(order=log.items)
    made = factors.learn(log, items.vectors)
    model = IALS()
    model.fit(log)
    history = log.item[(log.user == 0) & log.positive]
    expected = model.score(history.tolist())
    own = made.factors[history]
    system = made.gram + made.ridge * np.eye(len(made.gram)) + (made.alpha - 1) * own.T @ own
    user = np.linalg.solve(system, made.alpha * own.sum(0))
    # The library reads a stored 1 as a confidence of alpha.
    assert made.factors @ user == pytest.approx(expected, abs=0.02)


def test_a_new_item_is_placed_by_its_text() -> None:
    log = board()
    items = catalogue(order=log.items)
    made = factors.learn(log, items.vectors)
    placed = items.vectors @ made.place
    colour = np.array([int(item[1:]) % 2 for item in log.items])
    same = (placed @ made.factors.T)[colour[:, None] == colour[None, :]].mean()
    other = (placed @ made.factors.T)[colour[:, None] != colour[None, :]].mean()
    assert same > 1.5 * other


def test_a_written_recommender_reads_back_and_a_changed_one_is_refused(
    learnt: training.Learnt, tmp_path: Path
) -> None:
    out = tmp_path / "made"
    written = training.write(out, learnt, "a test")
    assert written.version.startswith("made-")
    assert (written.factors == learnt.trained.factors).all()
    assert "| collaborative |" in (out / "README.md").read_text("utf-8")
    with pytest.raises(FileExistsError):
        training.write(out, learnt, "a test")
    (out / "factors.npy").write_bytes((out / "factors.npy").read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"factors\.npy: differs"):
        bundle.load(out)


def test_train_and_evaluate_from_files(tmp_path: Path) -> None:
    file, items = tmp_path / "log.csv", tmp_path / "items.csv"
    log = board(24)
    rows = [f"{i.user},{i.item},{i.stars},{i.time}" for i in log.interactions]
    file.write_text("\n".join(["user_id,item_id,stars,time", *rows]))
    titles = [f"{i},{'camping tent' if int(i[1:]) % 2 else '电饭煲'} {i}" for i in log.items]
    items.write_text("\n".join(["item_id,title", *titles]), encoding="utf-8")
    given = ["--interactions", str(file), "--items", str(items), "--half-life-days", "30"]
    out = tmp_path / "board"
    done = CliRunner().invoke(
        main, ["recommend", "train", *given, "--epochs", "1", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert f"{out}: board-" in done.output
    trained = bundle.load(out)
    assert trained.place.shape[0] == 384
    assert trained.config.model.startswith("student-1-")
    assert trained.config.half_life_days * DAY == 30 * DAY
    ran = CliRunner().invoke(
        main, ["recommend", "evaluate", *given, "--epochs", "1", "--json", "--daily"]
    )
    assert ran.exit_code == 0, ran.output
    result = json.loads(ran.stdout.splitlines()[-1])
    assert result["protocol"] == "prequential"
    assert {"hybrid", "popularity", "itemknn", "ials", "ease"} <= result["results"].keys()
    for figures in result["results"].values():
        assert {"hr@10", "ndcg@10", "mrr", "coverage"} <= figures.keys()
    again = CliRunner().invoke(
        main, ["recommend", "train", *given, "--epochs", "1", "--out", str(out)]
    )
    assert again.exit_code == 1 and "is there already" in again.output
