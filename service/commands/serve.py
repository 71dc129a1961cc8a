"""The command `serve`: the service itself, until it is told to end."""

import click
import uvloop

from service.doctor.effective import as_set, default_settings, describe_settings, effective_settings
from service.embedded.cluster import as_service, database_url
from service.process import serve
from service.settings import read_settings
from service.telemetry.logs import configure_logs


class _WithSettings(click.Command):
    """A command whose help lists all settings."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them, with their defaults."""
        super().format_epilog(ctx, formatter)
        described, defaults = describe_settings(), effective_settings(default_settings())
        with formatter.section("Settings, which are environment variables, with their defaults"):
            formatter.write_dl([(f"{name}={as_set(defaults[name])}", described[name] or "-") for name in described])


@click.command("serve", cls=_WithSettings)
def serve_command() -> None:
    """Serve the API on HTTP_HOST:HTTP_PORT, and probes on OPS_PORT.

    Never migrates by itself: until `migrate` has run, the process is up but not ready.

    SIGTERM ends it gracefully: it is unready at once, accepts requests for SHUTDOWN_DELAY more seconds, and ends when
    those under way have ended, after DRAIN_TIMEOUT seconds at the most. Ctrl-C ends it without the delay.
    """
    settings = read_settings()
    configure_logs(settings)
    with database_url(settings) as dsn:
        uvloop.run(serve(settings, as_service(dsn, settings)))
