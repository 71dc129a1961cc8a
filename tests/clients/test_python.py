"""A Python client that openapi-python-client makes from the running service's document, and its use."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from service.http.openapi.document import tag_of
from service.http.routes import ROUTES

CONFIGURATION = "package_name_override: flow_client\npost_hooks: []\n"


def generate(directory: Path, address: str) -> None:
    """Make the package; what the generator can't read fails the test, where it would leave a call out."""
    (directory / "config.yaml").write_text(CONFIGURATION)
    made = run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{address}/openapi.json"),
            *("--config", "config.yaml", "--output-path", "client", "--fail-on-warning"),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.fixture(scope="module")
def package(running: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("python")
    generate(directory, running["SERVER"])
    sys.path.insert(0, str(directory / "client"))
    yield "flow_client"
    sys.path.remove(str(directory / "client"))


def call(package: str, tag: str, operation: str) -> Any:
    """Return the function of a call, which answers failures too."""
    return import_module(f"{package}.api.{tag}.{operation}").sync_detailed


def test_generated_python_client_lists_updates_and_tells_failures(package: str, running: dict[str, str]) -> None:
    models = import_module(f"{package}.models")
    client = import_module(f"{package}.client").AuthenticatedClient(running["SERVER"], running["TOKEN"])
    execute = models.Permission.EXECUTE

    with client:
        listed = call(package, "pipelines", "list_pipelines")(client=client, permission=execute).parsed
        assert listed.status == models.SuccessStatus.OK
        assert all(execute in each.permissions for each in listed.pipelines)
        ids = [each.id for each in listed.pipelines[:2]]

        body = models.PutJobBody(name="from Python")
        registered = call(package, "jobs", "put_job")("python:1", client=client, body=body)
        assert (registered.status_code, registered.parsed.job.name) == (201, "from Python")

        update = models.UpdateJobPipelinesBody(job_id="python:1", pipeline_ids=ids)
        updated = call(package, "jobs", "update_job_pipelines")(client=client, body=update).parsed
        assert [each.flow_pipeline_id for each in updated.updated_pipelines] == ids

        failed = call(package, "jobs", "get_job")("none", client=client)
        assert (failed.status_code, failed.parsed.code) == (404, models.Code.NOT_FOUND)
        assert failed.parsed.status == models.FailureStatus.ERROR
        assert failed.parsed.request_id == failed.headers["X-Request-Id"]


def test_generated_python_client_has_every_call_and_names_words_once(package: str) -> None:
    for route in ROUTES:
        assert callable(call(package, tag_of(route), route.operation.__name__))
    models = import_module(f"{package}.models")
    enums = {name for name, each in vars(models).items() if isinstance(each, type) and hasattr(each, "__members__")}

    assert {"Permission", "Scope", "Role", "Code", "SuccessStatus", "FailureStatus"} <= enums
    assert {*models.Permission.__members__} == {"READ", "EXECUTE", "DELETE", "MANAGE_PIPELINES", "WRITE"}
    assert not [name for name in enums if name.endswith("Item")]
