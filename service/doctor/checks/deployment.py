"""Checks of a deployment: that connections, memory and time suffice for what the settings allow."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from service.doctor.checks.finding import Finding
from service.doctor.checks.server import Pooling
from service.doctor.facts import ServerFacts
from service.settings import Settings

PROCESS_MIB: Final = 64
"""MiB of a process that does nothing: 58 to 63, measured with ten connections."""
GRPC_MIB: Final = 108
"""MiB more of one that serves gRPC: 12 of one that does nothing, and 96 that large messages were seen to take besides.

In a pod, 600 messages of a megabyte at once had it take 330 to 410 MiB, and once more than 512.
"""
GRPC_MESSAGES: Final = 96
"""Messages by gRPC of the largest size that may be in memory beside the bodies under way: 48 that are read, twice each.

Six hundred of a megabyte by a hundred connections took a process to 288 to 318 MiB.
"""
SCIM_MIB: Final = 13
"""MiB more of one that serves SCIM."""
CONNECTION_MIB: Final = 0.65
"""MiB of a connection of the pool that has prepared 60 statements, measured with 80."""
REQUEST_MIB: Final = 0.125
"""MiB of a request under way beside a large body: 32 KiB that were read ahead, 64 KiB of an answer, and its objects."""
LONG_LISTS_MIB: Final = 40
"""MiB of the four long lists that are read at once, each of 20,000 pipelines."""
RESERVED_CONNECTIONS: Final = 3
"""Connections for `migrate`, a command and a person at psql, beside the service."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Facts of a deployment that the process itself can't know. Times are seconds."""

    replicas: int
    """The most that an autoscaler may have."""
    grace: float
    """Time from the order to end until the process is killed, such as terminationGracePeriodSeconds."""
    pre_stop: float
    """Time of that grace that passes before SIGTERM comes."""
    memory: int | None = None
    """MiB that a process may take until it is killed; None if that is not known."""


def shutdown_seconds(settings: Settings) -> float:
    """Return the seconds that a process may take from SIGTERM to its end.

    aiohttp waits for a handler as long as may be drained, cancels it, and waits once more for one that does not end.
    """
    return settings.shutdown_delay + 2 * settings.drain_timeout


def check_connections(server: ServerFacts, pooling: Pooling, settings: Settings, deployment: Deployment) -> Finding:
    """Check that there are connections for all replicas, one more during a rolling update, and commands."""
    needed = (settings.database_pool_size + 1) * (deployment.replicas + 1) + RESERVED_CONNECTIONS
    found = (
        f"{needed} at most, as (DATABASE_POOL_SIZE {settings.database_pool_size} + 1 for probes) x"
        f" ({deployment.replicas} replicas + 1 while updating) + {RESERVED_CONNECTIONS} for commands"
    )
    if pooling != "none":
        return Finding("connections", "ok", f"{found}: hold that against the pooler's max_client_conn")
    found += f", of {server.connections}"
    if needed > server.connections:
        remedy = (
            "Lower DATABASE_POOL_SIZE or the replicas, raise max_connections (or the role's limit), or use a pooler."
        )
        return Finding("connections", "wrong", found, remedy)
    return Finding("connections", "ok", found)


def check_memory(settings: Settings, deployment: Deployment) -> Finding:
    """Check that what the settings allow a process to keep at once fits into its limit of memory."""
    parts = {
        "process": PROCESS_MIB,
        "RESPONSE_CACHE_BYTES": settings.response_cache_bytes / 2**20,
        "PERMISSION_CACHE_BYTES": settings.permission_cache_bytes / 2**20,
        "MAX_BODIES_BYTES": max(settings.max_bodies_bytes, settings.max_body_bytes) / 2**20,
        "MAX_UNSENT_BYTES": settings.max_unsent_bytes / 2**20,
        f"MAX_REQUESTS {settings.max_requests}": settings.max_requests * REQUEST_MIB,
        f"DATABASE_POOL_SIZE {settings.database_pool_size}": settings.database_pool_size * CONNECTION_MIB,
        "long lists": LONG_LISTS_MIB,
    }
    if settings.grpc_port is not None:  # whose answers may take one and a half budgets for a moment
        messages = GRPC_MESSAGES * settings.max_body_bytes / 2**20
        parts["GRPC_PORT"] = GRPC_MIB + settings.max_unsent_bytes / 2**20 / 2 + messages
    if settings.scim:
        parts["SCIM"] = SCIM_MIB
    needed = ceil(sum(parts.values()))
    found = f"{needed} MiB at most, as {' + '.join(f'{name} {size:.0f}' for name, size in parts.items())}"
    if deployment.memory is None:
        return Finding("memory", "ok", f"{found}: hold that against the limit (--memory)")
    found += f", of {deployment.memory} MiB"
    if needed > deployment.memory:
        remedy = f"Raise the limit (resources.limits.memory) to {needed} MiB or more, or lower the largest of these."
        return Finding("memory", "wrong", found, remedy)
    return Finding("memory", "ok", found)


def check_shutdown(settings: Settings, deployment: Deployment) -> Finding:
    """Check that a graceful shutdown is over before the process is killed, and cuts no request off."""
    needed = deployment.pre_stop + shutdown_seconds(settings)
    found = (
        f"{needed:g} s at most, as pre-stop {deployment.pre_stop:g} + SHUTDOWN_DELAY {settings.shutdown_delay:g}"
        f" + 2 x DRAIN_TIMEOUT {settings.drain_timeout:g}, of {deployment.grace:g} s of grace"
    )
    if needed > deployment.grace:
        remedy = f"Raise the grace (terminationGracePeriodSeconds) to {needed:g} or more, or lower the others."
        return Finding("shutdown", "wrong", found, remedy)
    if settings.drain_timeout < settings.request_timeout:
        remedy = f"Raise DRAIN_TIMEOUT to REQUEST_TIMEOUT, {settings.request_timeout:g}: slower requests are cut off."
        return Finding("shutdown", "warning", found, remedy)
    if not deployment.pre_stop + settings.shutdown_delay:
        remedy = "Set SHUTDOWN_DELAY to some seconds: load balancers send requests until they see that it is unready."
        return Finding("shutdown", "warning", found, remedy)
    return Finding("shutdown", "ok", found)
