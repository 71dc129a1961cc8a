"""Commands with odd arguments and settings, mostly forked from one process, and now and then as one of their own."""

import json
import subprocess
import sys
from typing import Any, Final

from hypothesis import strategies as st

from service.values.names import has_unfit
from tests.commands.forked import ask
from tests.fuzz import values
from tests.fuzz.invariants import (
    ENDING,
    SENTENCE,
    SHAPE,
    TALLY,
    UNCHANGED,
    check_bystander,
    check_lists,
    require_no_internals,
)
from tests.fuzz.stage import Commands, Scene, Stage
from tests.process.running import ROOT, environment

Done = tuple[int, str, str]
SECONDS: Final = 30
"""Seconds after which a command that does not end is ended."""


def _mostly(usual: str, odd: values.Value) -> values.Value:
    return values.mostly(st.just(usual), odd, 6)


_SHOWN: Final = _mostly("a usual one", values.SHOWN)
_PIPELINE: Final = _mostly("Invoices", st.one_of(st.just("$pipeline"), _SHOWN, values.ANY_IDS))
_USER: Final = _mostly("carol", values.NAMES)
_GROUP: Final = _mostly("reviewers", values.NAMES)
_JOB: Final = _mostly("job-1", values.JOB_IDS)
_TOKEN: Final = _mostly("$token", values.ANY_IDS)
_DURATION: Final = _mostly(
    "90d",
    st.one_of(
        st.sampled_from(
            ["1d", "0d", "-1d", "1e9d", "999999d", "999999m", "1D", " 1d", "\uff11d", "1d\n", "1.5h", "\u221e", ""]
        ),
        values.texts(10),
    ),
)
_ROLE: Final = _mostly("member", values.ROLES)
_PERMISSION: Final = _mostly("execute", values.texts(20))

CALLS: Final[tuple[tuple[Any, ...], ...]] = (
    ("user", "create", _USER, "--role", _ROLE),
    ("user", "list", "--name", _SHOWN),
    ("user", "role", _USER, _ROLE, "--withdraw-grants"),
    ("user", "disable", _USER, "--yes"),
    ("user", "enable", _USER),
    ("identity", "link", _USER, "--issuer", _SHOWN, "--subject", _SHOWN),
    ("identity", "unlink", "--issuer", _SHOWN, "--subject", _SHOWN, "--yes"),
    ("identity", "list", "--user", _USER),
    ("identity", "release", _USER, "--yes"),
    ("identity", "release", "--group", _USER, "--yes"),
    ("identity", "release", "--all", "--yes"),
    ("group", "create", _GROUP),
    ("group", "list"),
    ("group", "members", _GROUP),
    ("group", "add", _GROUP, _USER),
    ("group", "remove", _GROUP, _USER, "--yes"),
    ("group", "delete", _GROUP, "--yes"),
    ("pipeline", "create", _SHOWN, "--description", values.DESCRIPTIONS),
    ("pipeline", "create", _SHOWN, "--manager", _USER),
    ("pipeline", "list", "--name", _SHOWN),
    ("pipeline", "delete", _PIPELINE, "--yes", "--force"),
    ("pipeline", "jobs", _PIPELINE),
    ("pipeline", "access", _PIPELINE, "--permission", _PERMISSION),
    ("pipeline", "why", _PIPELINE, _USER),
    ("grant", "set", _PIPELINE, "--user", _USER, "--permission", _PERMISSION, "--expires-in", _DURATION),
    ("grant", "set", _PIPELINE, "--group", _GROUP, "--manager"),
    ("grant", "list", _PIPELINE),
    ("grant", "revoke", _PIPELINE, "--user", _USER, "--yes"),
    ("job", "put", _JOB, "--owner", _USER, "--name", _SHOWN, "--pipeline", _PIPELINE),
    ("job", "show", _JOB),
    ("job", "delete", _JOB, "--yes"),
    ("token", "create", _USER, "--name", _SHOWN, "--expires-in", _DURATION),
    ("token", "list", _USER),
    ("token", "rotate", _TOKEN),
    ("token", "revoke", _TOKEN, "--yes"),
    ("group", "show", _GROUP),
    ("group", "rename", _GROUP, _GROUP),
    ("pipeline", "show", _PIPELINE),
    ("pipeline", "edit", _PIPELINE, "--name", _SHOWN, "--description", values.DESCRIPTIONS),
    ("job", "list", "--pipeline", _PIPELINE, "--owner", _USER),
    ("job", "move", _JOB, "--from", _PIPELINE, "--to", _PIPELINE),
    ("user", "show", _USER),
    ("user", "edit", _USER, "--display-name", _SHOWN, "--email", _SHOWN),
    ("user", "delete", _USER, "--jobs-to", _USER, "--yes"),
    ("token", "inventory", "--unused-for", _DURATION),
    ("audit", "archive", "--before", values.texts(10), "--to", "/dev/null/x"),
    ("audit", "verify", "--archive", values.texts(100)),
    ("audit", "tail", "--actor", _SHOWN, "--action", values.texts(100), "--target", values.texts(255)),
    (values.texts(20), values.texts(20)),
)


@st.composite
def commands(draw: st.DrawFn) -> tuple[list[str], str, bool]:
    """Draw a command with its arguments, the organization that it names ("": the scene's), and whether it is forked."""
    call = draw(st.sampled_from(CALLS))
    arguments = [part if isinstance(part, str) else draw(part) for part in call]
    arguments = [str(each).replace("\0", "") for each in arguments]  # which no process can be given
    if draw(st.booleans()):
        arguments.append("--json")
    organization = draw(values.mostly(st.just(""), values.SHOWN, 8)).replace("\0", "")
    return arguments, organization, draw(st.integers(0, 49)) > 0


async def command(stage: Stage, drawn: tuple[list[str], str, bool]) -> None:
    """Run a command, which must end as documented, and leave others alone."""
    TALLY.begin("command")
    arguments, organization, forked = drawn
    scene = await stage.scene()
    known = [scene.put_in(each) for each in arguments]
    if known[0] in {call[0] for call in CALLS} and known[1] not in {"archive", "verify"}:
        known += ["--organization", organization or str(scene.world.id)]
    before = await stage.state(scene)
    code, out, err = run(stage, known, forked=forked)
    # What no encoding has comes as an argument that can't be read; else the command ends as it says.
    is_text = not any("\ud800" <= each <= "\udfff" for argument in known for each in argument)
    check_ending(known, code, out, err, codes={0, 1, 64} if is_text else {2})
    if code:
        with TALLY.holds(UNCHANGED):
            assert await stage.state(scene) == before, (code, out, err)
    else:
        TALLY.accept()
    await _check_others(stage, scene)


async def _check_others(stage: Stage, scene: Scene) -> None:
    await check_bystander(stage, scene)
    await check_lists(stage, scene)


def run(stage: Stage, arguments: list[str], *, forked: bool = True) -> Done:
    """Run a command on the stage's database."""
    if forked:
        return stage.commands(arguments)
    done = subprocess.run(
        [sys.executable, "-m", "service", *map(_as_argument, arguments)],
        cwd=ROOT,
        env=environment(DATABASE_URL=stage.dsn),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def _as_argument(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def check_ending(arguments: list[str], code: int, out: str, err: str, *, codes: set[int]) -> None:
    """Check that a command ended by one of these codes, and said why in words, or as JSON where that was asked for."""
    as_json = "--json" in arguments and "--" not in arguments[: arguments.index("--json")]
    with TALLY.holds(ENDING):
        assert code in codes, (code, out, err)
    require_no_internals(out + err, *arguments)
    with TALLY.holds(SENTENCE):
        assert not has_unfit((out + err).replace("\n", "")), (out, err)
        assert code == 0 or err.strip(), "it failed without a word"
    if as_json:
        with TALLY.holds(SHAPE):
            if arguments[:2] == ["audit", "tail"] and code == 0:
                assert all(json.loads(line)["action"] for line in out.splitlines()), out  # one a line, or none
            else:
                told = json.loads(out if code == 0 else err.splitlines()[-1])
                assert told["status"] == ("ERROR" if code else "OK"), told


def commands_on(dsn: str) -> Commands:
    """Return what runs commands on a database, where no other is named."""

    def run_forked(arguments: list[str], **variables: str) -> Done:
        done = ask(arguments, {"DATABASE_URL": dsn, **variables}, seconds=SECONDS)
        return done.returncode, done.stdout, done.stderr

    return run_forked
