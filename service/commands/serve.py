"""The command `serve`: the service itself, until it is told to end."""

from typing import Final

import click
import uvloop

from service.doctor.effective import as_set, default_settings, describe_settings, effective_settings
from service.embedded.cluster import as_service, database_url
from service.errors import StartupError
from service.process import serve
from service.settings import read_settings
from service.telemetry.logs import configure_logs
from service.workers.parent import serve_by_workers

MAX_WORKERS: Final = 64
"""Processes of one `serve`: more than machines have cores that one PostgreSQL could feed."""


class _WithSettings(click.Command):
    """A command whose help lists all settings."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them, with their defaults."""
        super().format_epilog(ctx, formatter)
        described, defaults = describe_settings(), effective_settings(default_settings())
        with formatter.section("Settings, which are environment variables, with their defaults"):
            formatter.write_dl([(f"{name}={as_set(defaults[name])}", described[name] or "-") for name in described])


@click.command("serve", cls=_WithSettings)
@click.option("--workers", type=click.IntRange(1, MAX_WORKERS), help="Processes that serve, watched by this one.")
def serve_command(workers: int | None) -> None:
    """Serve the API on HTTP_HOST:HTTP_PORT, and probes on OPS_PORT.

    Never migrates by itself: until `migrate` has run, the process is up but not ready.

    SIGTERM ends it gracefully: it is unready at once, accepts requests for SHUTDOWN_DELAY more seconds, and ends when
    those under way have ended, after DRAIN_TIMEOUT seconds at the most. Ctrl-C ends it without the delay. Without
    --workers, SIGHUP ends it as SIGTERM does, as when its terminal is closed.

    By --workers several processes share the port, for a machine with several cores; each has the settings for itself,
    such as DATABASE_POOL_SIZE connections. One that ends or hangs is replaced, and SIGHUP replaces them one by one.
    They don't share a port for gRPC, so that GRPC_PORT is for a process alone.
    """
    settings = read_settings()
    configure_logs(settings)
    if workers is not None and settings.grpc_port is not None:
        raise StartupError("GRPC_PORT is set, which several workers can't share: leave out --workers, or unset it.")
    with database_url(settings) as dsn:
        if workers is None:
            uvloop.run(serve(settings, as_service(dsn, settings)))
        else:
            uvloop.run(serve_by_workers(settings, as_service(dsn, settings), workers))
