"""The README's examples, run as they are written."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from service.http.routes import ROUTES
from tests.process.running import ROOT
from tests.process.test_demo import demo

README = (ROOT / "README.md").read_text()


def curl_lines() -> list[str]:
    block = README.split("<!-- examples: a test runs them in this order -->")[1].split("```")[1]
    return [line for line in block.splitlines() if line.startswith("curl ")]


def test_examples_of_the_readme_cover_every_route_and_work(tmp_path: Path, empty_dsn: str) -> None:
    called = set()
    with demo(tmp_path, DATABASE_URL=empty_dsn) as (_, printed):
        token, address = re.search(r"fp_\w+", printed), re.search(r"http://[\d.:]+", printed)
        assert token
        assert address
        variables = {"AUTH": f"Authorization: Bearer {token[0]}", "API": f"{address[0]}/api/v1"}
        for line in curl_lines():
            said = subprocess.run(
                ["sh", "-c", f"{line} --silent --write-out '\\n%{{http_code}}'"],
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            body, status = said.rsplit("\n", 1)
            assert status in ("200", "201"), (line, said)
            answer = json.loads(body)
            if "PIPELINE" not in variables:
                variables["PIPELINE"] = answer["pipeline"]["id"]
            if "secret" in answer:
                variables["TOKEN_ID"] = answer["token"]["id"]
            called.add(_route(line, variables))

    assert called == {f"{route.method} {route.path}" for route in ROUTES}


def _route(line: str, variables: dict[str, str]) -> str:
    """Return the row of the method table that a line calls."""
    words = shlex.split(re.sub(r"\$(\w+)", lambda name: variables[name[1]], line))
    url = next(word for word in words if word.startswith("http"))
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if "-d" in words else "GET"
    path = url.removeprefix(variables["API"].removesuffix("/api/v1")).split("?")[0]
    for route in ROUTES:
        if route.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), path):
            return f"{method} {route.path}"
    raise AssertionError(line)


def test_commands_of_a_first_installation_work(tmp_path: Path, empty_dsn: str) -> None:
    block = README.split("A first installation, without any data:")[1].split("```")[1]
    lines = [line.split("#")[0] for line in block.splitlines() if line.startswith("flow-pipelines ")]
    program = tmp_path / "flow-pipelines"
    program.write_text(f'#!/bin/sh\ncd {ROOT}\nexec {sys.executable} -m service "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"

    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line],
            env={**os.environ, "PATH": path, "DATABASE_URL": empty_dsn},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)

    assert len(lines) == 14
    assert done.stdout.startswith("fp_")
