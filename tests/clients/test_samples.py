"""The samples of requests on the page for people: those of every call can be read, and some are run."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.http.openapi.samples import LANGUAGES, Request, request_of
from service.http.routes import ROUTES
from tests.clients.node import node
from tests.contract import DOCUMENT

REQUESTS = {
    operation["operationId"]: request_of(method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
LIST = REQUESTS["list_pipelines"]
AWKWARD = Request("PUT", "/api/v1/jobs/sample:1", {"name": 'it\'s "$HOME" `ls` ${x} \\ ä 😀'})
MISSING = Request("GET", "/api/v1/jobs/none")


def run(variables: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_samples_show_every_call() -> None:
    assert {*REQUESTS} == {route.operation.__name__ for route in ROUTES}
    for request in REQUESTS.values():
        assert "{" not in request.path
        for language in LANGUAGES.values():
            assert request.path in language.write(request)


def test_samples_in_curl_are_shell() -> None:
    script = "\n".join(LANGUAGES["curl"].write(each) for each in REQUESTS.values())

    run({}, "sh", "-n", "-c", script)


def test_samples_in_python_send_the_body_of_the_example() -> None:
    for request in (*REQUESTS.values(), AWKWARD):
        call = next(
            node
            for node in ast.walk(ast.parse(LANGUAGES["python"].write(request)))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "requests.request"
        )
        bodies = [ast.literal_eval(each.value) for each in call.keywords if each.arg == "json"]
        assert bodies == ([] if request.body is None else [request.body])


def test_samples_in_javascript_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "samples.mjs"
    file.write_text("\n".join(f"{{{LANGUAGES['javascript'].write(each)}}}" for each in REQUESTS.values()))

    run({}, node(), "--check", str(file))


def run_sample(variables: dict[str, str], language: str, request: Request) -> str:
    """Run a sample; return its output, whose first line has the status."""
    sample = LANGUAGES[language].write(request)
    if language == "curl":
        return run(variables, "sh", "-c", f"{sample} --silent --include")
    if language == "python":
        return run(variables, sys.executable, "-c", sample)
    return run(variables, node(), "--input-type=module", "-e", sample)


@pytest.mark.parametrize("language", LANGUAGES)
def test_samples_work_as_they_are_shown(running: dict[str, str], language: str) -> None:
    listed, put, missing = (run_sample(running, language, each) for each in (LIST, AWKWARD, MISSING))

    assert "200" in listed.splitlines()[0]
    assert "Invoices" in listed
    assert "201" in put.splitlines()[0] or "200" in put.splitlines()[0]
    assert "404" in missing.splitlines()[0]
    read = (
        LANGUAGES["python"].write(Request("GET", AWKWARD.path)).replace("answer.json()", "answer.json()['job']['name']")
    )
    assert run(running, sys.executable, "-c", read) == f"200 {AWKWARD.body['name']}\n"


def test_samples_in_python_are_the_same_by_httpx(running: dict[str, str]) -> None:
    sample = LANGUAGES["python"].write(REQUESTS["list_pipelines"]).replace("requests", "httpx")

    assert run(running, sys.executable, "-c", sample).startswith("200 ")
