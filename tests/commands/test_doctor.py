import json
import re

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE
from tests.commands.forked import run


async def test_doctor_of_an_installation_in_order(closed_dsn: str) -> None:
    await migrate(closed_dsn)
    dsn = closed_dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")

    done = run("doctor", "--replicas", "3", "--grace", "40", "--pre-stop", "5", "--memory", "256", DATABASE_URL=dsn)

    assert done.returncode == 0, done.stdout
    # The server may have databases of other tests by now, which every role gets into; test_examine.py has that check.
    others = re.compile(r"^warning +surroundings .* may connect to|^ +REVOKE CONNECT ")
    lines = [line for line in done.stdout.splitlines() if not others.search(line)]
    assert {line.split()[0] for line in lines} == {"ok"}
    assert re.search(r"^ok +migrations +all \d+ are in place", done.stdout, re.MULTILINE)


def test_doctor_of_an_installation_with_a_mistake(service_dsn: str) -> None:
    done = run("doctor", "--grace", "10", DATABASE_URL=service_dsn)

    assert done.returncode == 1
    wrong, remedy = done.stdout.splitlines()[-2:]
    assert wrong.startswith("wrong    shutdown           25 s at most")
    assert remedy.strip().startswith("Raise the grace")


def test_doctor_without_a_database() -> None:
    done = run("doctor", "--json", DATABASE_URL="postgresql://me:secret@127.0.0.1:1/db")

    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert (answer["status"], [check["check"] for check in answer["checks"]]) == (
        "ERROR",
        ["server", "memory", "shutdown"],
    )
    assert answer["checks"][0]["found"].startswith("The database 127.0.0.1:1/db can't be reached: ")
    assert "secret" not in done.stdout


def test_doctor_with_a_bad_setting() -> None:
    done = run("doctor", HTTP_PORT="x")

    assert (done.returncode, done.stderr.startswith("flow-pipelines: HTTP_PORT is 'x'")) == (2, True)
