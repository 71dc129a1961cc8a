"""Variables of the environment that were probably meant as settings, but are none: typing errors."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from service.settings.declared import read_from
from service.settings.environment import Environment


def find_unknown(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Find variables of the environment that look like settings, but are none, each with the setting nearest to it.

    Those are the ones that begin as settings do, or that are settings but for some letters or their case.
    """
    env = Environment()
    read_from(env)
    names = sorted(name for name in env.names if not name.startswith(_OTHERS))
    beginnings = {name.partition("_")[0] + "_" for name in names} - _SHARED
    found = {}
    for name in sorted(variables.keys() - env.names):
        alike = name.upper().replace("-", "_")
        if name.startswith(_OTHERS) or name in _FOREIGN or _is_of_kubernetes(name, variables):
            continue
        nearest = [*get_close_matches(alike, names, 1, 0.88)]
        if not nearest and alike.startswith(tuple(beginnings)) and alike == name:
            nearest = get_close_matches(alike, [each for each in names if _begins_alike(each, alike)], 1, 0)
        if nearest:
            found[name.encode("unicode_escape").decode()] = nearest[0]  # it may hold anything, and is shown
    return found


_OTHERS: Final = "OTEL_"
"""The beginning of settings that OpenTelemetry reads too, of which it has many more."""
_SHARED: Final = frozenset({"GRPC_"})
"""The beginnings of settings that a library's own variables have too: only what is nearly one of ours is told."""
_FOREIGN: Final = frozenset({"HTTP_PROXY", "http_proxy"})
"""Variables of other programs that begin as settings do."""


def _begins_alike(one: str, other: str) -> bool:
    return one.partition("_")[0] == other.partition("_")[0]


def _is_of_kubernetes(name: str, variables: Mapping[str, str]) -> bool:
    """Return whether Kubernetes has set a variable, as it does for each service of a namespace, such as `database`."""
    service = name.partition("_SERVICE_")[0].partition("_PORT")[0]
    return f"{service}_SERVICE_HOST" in variables
