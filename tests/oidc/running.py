"""A real OpenID provider of Node's packages in a process of its own; without these, tests are skipped, and say so."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.node import ROOT, node

NOT_INSTALLED = "NODE'S PACKAGES ARE NOT INSTALLED, SO NO SIGN-IN BY A PROVIDER IS TESTED: `make js` installs them"
AUDIENCE = "flow-pipelines"
PAGE = "admin-page"
COMMAND_LINE = "command-line"


@contextmanager
def running_provider(*pages: str, **settings: str) -> Iterator[str]:
    """Run a provider that sends people back to these addresses of admin pages, and yield its issuer."""
    program = node()
    if not (ROOT / "node_modules" / "oidc-provider").exists():
        pytest.skip(NOT_INSTALLED)
    script = Path(__file__).parent / "provider.js"
    with subprocess.Popen(
        [program, str(script), *pages],
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        issuer = process.stdout.readline().strip()
        assert issuer, "the provider ended"
        yield issuer
        process.stdin.close()
