"""What this worker would have in common with its group: from its settings, profile and bundle.

Left out is what may differ for the time of a rolling restart, since nothing of it is kept: the
policy, which is applied to each list anew, and the recommender.
"""

import hashlib
from typing import Any

import msgspec

from stream_app import profiles
from stream_app.inference import bundle
from stream_app.interests import record as interests
from stream_app.pipeline import open_bundle
from stream_app.profiles import Profile
from stream_app.schemas import Contract
from stream_app.settings import Settings
from stream_app.subjects import record as subjects

DIGITS = 12
"""Of a hash, in hexadecimal."""


def own(settings: Settings) -> Contract:
    """The contract that a worker with these settings fits; raises BundleError, ProfileError."""
    return of(settings, profiles.load(settings.profile), open_bundle(settings).config)


def of(settings: Settings, profile: Profile, config: bundle.Config) -> Contract:
    """The same, of what is loaded."""
    return Contract(
        settings.app,
        profile.name,
        rules(profile),
        config.dimensions,
        config.labels,
        settings.partitions,
        {"interests": interests.VERSION, "subjects": subjects.VERSION},
    )


def rules(profile: Profile) -> dict[str, str]:
    """A hash of each part of a profile that changes what is masked, stored or told."""
    parts: dict[str, Any] = {
        "masks": profile.own_masks,
        "topics": [profile.topics, profile.examples],
        "severe": profile.severe,
        "surge": profile.surge,
        "behaviours": profile.behaviours,
    }
    return {name: _hash(part) for name, part in parts.items()}


def _hash(part: Any) -> str:
    data = msgspec.json.encode(_stated(part), order="sorted")
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def _stated(value: Any) -> Any:
    """A part without what is so by default: a field that a later version adds changes no hash."""
    if isinstance(value, list):
        return [_stated(one) for one in value]
    if not isinstance(value, msgspec.Struct):
        return value
    found = {}
    for field in msgspec.structs.fields(value):
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if (its := getattr(value, field.name)) != default:
            found[field.name] = _stated(its)
    return found
