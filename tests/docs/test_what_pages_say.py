"""The commands, options, calls, settings and metrics that the documents name exist."""

import re
from collections.abc import Iterator

import click
import pytest

from service.__main__ import commands
from service.client.selection import PLAINTEXT_VARIABLE, SERVER_VARIABLE, TOKEN_VARIABLE
from service.http.routes import ROUTES
from service.settings import Settings
from tests.docs.pages import ALL_PAGES, text_of
from tests.reference.errors import kinds
from tests.reference.settings import TRACING, recorded
from tests.reference.sources import files

every_page = pytest.mark.parametrize("page", ALL_PAGES)

_COMMAND = re.compile(r"(?:(?<!-n )flow-pipelines|python3? -m service) +([a-z][a-z +-]*)([^`\n#|]*)")
_CALL = re.compile(r"curl [^\n]*\$API/(\S*)[^\n]*")
_NAME = re.compile(r"`([A-Z]+(?:_[A-Z0-9]+)+)(?:=[^`]*)?`")

MADE = ("docs/reference/commands.md", "docs/reference/limits.md")
"""Pages whose tables are full of other names in capitals, which come from the code."""
OTHERS = re.compile(
    r"PG\w+|OTEL_\w+|COMMIT|CURRENT_\w+|SOURCE_\w+|[A-Z_]+_(?:URL|PASSWORD|PROXY)|XDG_\w+|SSL_CERT_FILE|NO_COLOR|MAX_|_TIMEOUT"
)
"""Names that are not the service's own: libpq's, OpenTelemetry's, terminals', and those that examples make."""

NO_METRICS = frozenset(
    {"flow_pipelines_client", "flow_pipelines_restored", "flow_pipelines_pb2", "flow_pipelines_pb2_grpc"}
)
"""The Python client, a database, and modules."""


def unknown_commands(text: str) -> set[str]:
    """Return the commands in a text that are none, or that lack an option they are given."""
    return {match[0].strip() for match in _COMMAND.finditer(text) if not _is_known(f"{match[1]} {match[2]}".split())}


def _is_known(words: list[str]) -> bool:
    command: click.Command = commands
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if isinstance(command, click.Group) and words and re.fullmatch("[a-z]+", words[0]):
        return False
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.split("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)}
    return command is not commands and given <= {*options, "--help"}


def unknown_calls(text: str) -> set[str]:
    """Return the lines with curl that lead to no row of the method table."""
    return {match[0] for match in _CALL.finditer(text) if not any(_leads(match[0], match[1]))}


def _leads(line: str, path: str) -> Iterator[bool]:
    method = re.search(r"-X (\w+)", line)
    verb = method[1] if method else "POST" if " -d " in line else "GET"
    address = "/api/v1/" + path.split("?", maxsplit=1)[0].strip("\"'")
    for route in ROUTES:
        yield route.method == verb and bool(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), address))


def unknown_names(text: str) -> set[str]:
    """Return the names in capitals that are neither settings nor codes."""
    known = {name.upper() for name in Settings.__slots__} | recorded()[1].keys() | TRACING.keys()
    known |= {SERVER_VARIABLE, TOKEN_VARIABLE, PLAINTEXT_VARIABLE}
    known |= {kind.code for kind in kinds().values()}
    return {name for name in _NAME.findall(text) if name not in known and not OTHERS.fullmatch(name)}


def unknown_metrics(text: str) -> set[str]:
    """Return the names like those of metrics that are in no table of metrics, nor samples of one that is."""
    known = set(re.findall(r"^\| `(\w+)`", text_of("docs/reference/metrics.md"), re.MULTILINE))
    samples = re.compile(r"(_total|_bucket|_count|_sum)?$")
    named = set(re.findall(r"\bflow_pipelines_\w*[a-z]\b(?![./])", text)) - NO_METRICS
    return {name for name in named if not {name, samples.sub("", name, count=1)} & known}


@every_page
def test_commands_in_a_page_exist(page: str) -> None:
    assert unknown_commands(text_of(page)) == set()


@every_page
def test_calls_in_a_page_lead_to_routes(page: str) -> None:
    assert unknown_calls(text_of(page)) == set()


@pytest.mark.parametrize("page", [page for page in ALL_PAGES if page not in MADE])
def test_settings_in_a_page_exist(page: str) -> None:
    assert unknown_names(text_of(page)) == set()


@pytest.mark.parametrize("page", [page for page in ALL_PAGES if page != "CHANGELOG.md"])
def test_metrics_in_a_page_exist(page: str) -> None:
    """The change log has the names that metrics had before."""
    assert unknown_metrics(text_of(page)) == set()


def unknown_sentences(text: str) -> set[str]:
    """Return the quotations in a text of which a part is nowhere in the code; … stands for what is filled in."""
    quoted = re.findall(r'"([^"\n]{8,})"', re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL))
    code = re.sub(r'"\s*f?"', "", " ".join(path.read_text() for path in files()))
    return {each for each in quoted if any(part.strip() not in code for part in each.split("…"))}


def test_sentences_of_the_troubleshooting_are_those_of_the_code() -> None:
    text = text_of("docs/how-to/troubleshoot.md")

    assert unknown_sentences(text) == set()
    assert unknown_sentences('"The token is unknown, expired", "The token is lost"') == {"The token is lost"}


def test_commands_calls_settings_and_metrics_that_are_not_there_are_found() -> None:
    """The control."""
    assert unknown_commands(
        "`flow-pipelines token create mary --expires-in 90d`, `flow-pipelines token gone`, `python -m service gone`,"
        " `flow-pipelines doctor --gone`"
    ) == {"flow-pipelines token gone", "python -m service gone", "flow-pipelines doctor --gone"}
    assert unknown_calls('curl -X PUT "$API/jobs/7"\ncurl $API/gone\n') == {"curl $API/gone"}
    assert unknown_names("`HTTP_PORT`, `HTTP_PART=8`, `NOT_FOUND`, `PGUSER`") == {"HTTP_PART"}
    assert unknown_metrics("`flow_pipelines_batch_size_bucket`, flow_pipelines_gone_total") == {
        "flow_pipelines_gone_total"
    }


@every_page
def test_settings_of_other_programs_have_no_comments_behind_them(page: str) -> None:
    """PgBouncer takes such a comment for a part of the value, and does not start."""
    blocks = re.findall(r"```ini\n(.*?)```", text_of(page), re.DOTALL)

    assert [line for block in blocks for line in block.splitlines() if re.search(r"\S.*[;#]", line)] == []
