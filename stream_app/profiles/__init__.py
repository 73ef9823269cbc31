"""A profile makes a domain out of the pipeline: its topics, thresholds, weights and rules."""

from stream_app.profiles.profile import (
    Behaviours,
    Policy,
    Profile,
    ProfileError,
    Severe,
    Surge,
    Topic,
    load,
    shipped,
)

__all__ = [
    "Behaviours",
    "Policy",
    "Profile",
    "ProfileError",
    "Severe",
    "Surge",
    "Topic",
    "load",
    "shipped",
]
