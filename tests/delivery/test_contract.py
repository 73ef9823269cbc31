"""What of a worker must be its group's, and how each difference is told."""

import msgspec
import pytest

from stream_app import profiles
from stream_app.agents import contract
from stream_app.delivery.contract import differences
from stream_app.inference import bundle
from stream_app.inference.bundle import default_bundle
from stream_app.profiles import Profile
from stream_app.schemas import Contract
from stream_app.settings import Settings

CONFIG = bundle.load(default_bundle()).config
SHOP = profiles.load("shop")


def made(
    profile: Profile = SHOP, config: bundle.Config = CONFIG, settings: Settings | None = None
) -> Contract:
    return contract.of(settings or Settings(), profile, config)


def test_one_that_fits_differs_in_nothing() -> None:
    assert differences(made(), made()) == []
    assert contract.own(Settings()) == made()


def test_a_bundle_of_other_dimensions_is_told() -> None:
    (told,) = differences(made(), made(config=msgspec.structs.replace(CONFIG, dimensions=128)))
    assert told == f"embeddings of {CONFIG.dimensions} dimensions, here 128"


def test_other_labels_are_told() -> None:
    turned = CONFIG.labels[::-1]
    (told,) = differences(made(), made(config=msgspec.structs.replace(CONFIG, labels=turned)))
    assert told == f"labels {' '.join(CONFIG.labels)}, here {' '.join(turned)}"


def test_other_partitions_are_told() -> None:
    (told,) = differences(made(), made(settings=Settings(partitions=9)))
    assert told == "4 partitions, here 9"


@pytest.mark.parametrize("name", sorted({*profiles.shipped()} - {"shop"}))
def test_another_profile_is_told_by_its_parts(name: str) -> None:
    found = differences(made(), made(profiles.load(name)))
    assert any(told.startswith("topics of the profile shop") for told in found)
    assert all(f"here of {name} (" in told for told in found)


def test_other_masks_alone_are_told() -> None:
    """A worker without the mask of IBANs leaves them in the texts."""
    finance = profiles.load("finance")
    less = msgspec.structs.replace(finance, own_masks=finance.own_masks[1:])
    (told,) = differences(made(finance), made(less))
    assert told.startswith("masks of the profile finance (")


def test_what_no_state_depends_on_may_differ_during_a_rolling_restart() -> None:
    policy = msgspec.structs.replace(SHOP.policy, blocked=["p1"])
    assert differences(made(), made(msgspec.structs.replace(SHOP, policy=policy))) == []


def test_later_records_than_a_worker_writes_are_told_and_earlier_ones_are_not() -> None:
    versions = made().versions
    later = msgspec.structs.replace(made(), versions=versions | {"subjects": 9, "new": 1})
    assert differences(later, made()) == [
        "new records of version 1, here none",
        f"subjects records of version 9, here up to {versions['subjects']}",
    ]
    assert differences(made(), later) == []


def test_a_field_that_a_later_version_adds_with_a_default_changes_no_hash() -> None:
    class Later(profiles.Surge, frozen=True, forbid_unknown_fields=True):
        new: int = 7

    later = msgspec.structs.replace(SHOP, surge=Later(**msgspec.structs.asdict(SHOP.surge)))
    assert contract.rules(later) == contract.rules(SHOP)
    other = msgspec.structs.replace(SHOP, surge=Later(new=8))
    assert contract.rules(other)["surge"] != contract.rules(SHOP)["surge"]
