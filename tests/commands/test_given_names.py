"""Names and ids that are given to commands go by the API's rules; what there is can be named whatever it is called."""

from uuid import UUID

import pytest
from click.testing import CliRunner

from service.commands.group import group_commands
from service.commands.job import job_commands
from service.commands.organization import organization_commands
from service.commands.token import token_commands
from service.commands.user import user_commands
from service.values.names import RESERVED
from tests.commands.forked import run
from tests.factories import World

ID = UUID("6f1c2f4e-3d0b-4b55-9b0a-0c8f4d3c2b1a")
ODD = ["\u200b", "a\u202eb", "a\u2028b", "a\nb", "a\x1b[31mb", "\udcff"]


@pytest.mark.parametrize("word", [*RESERVED, "ME"])
def test_commands_make_nothing_that_is_called_like_an_address(word: str) -> None:
    for command in (user_commands, group_commands):
        refused = CliRunner().invoke(command, ["create", word])
        assert refused.exit_code == 2
        assert "a name is none of ., .., me, pipelines, which are addresses." in refused.output


@pytest.mark.parametrize("name", ODD)
def test_commands_take_no_name_that_can_not_be_seen_or_printed(name: str) -> None:
    for command, arguments in [
        (organization_commands, ["create", name]),
        (token_commands, ["create", "ada", "--name", name]),
        (job_commands, ["put", "j", "--owner", "ada", "--name", name]),
        (job_commands, ["show", name]),
        (job_commands, ["delete", name, "--yes"]),
        (user_commands, ["create", name]),
        (group_commands, ["members", name]),
    ]:
        refused = CliRunner().invoke(command, arguments)
        assert (refused.exit_code, refused.exception.__class__) == (2, SystemExit), arguments
        assert "characters" in refused.output


@pytest.mark.parametrize("text", [ID.hex, f"{{{ID}}}", f"urn:uuid:{ID}", "٨" * 36])
def test_commands_take_ids_in_one_form(text: str) -> None:
    refused = CliRunner().invoke(token_commands, ["revoke", text, "--yes"])

    assert (refused.exit_code, "is not a valid UUID" in refused.output) == (2, True)


async def test_command_job_put_refuses_addresses(dsn: str, world: World) -> None:
    await world.user("bob")

    done = run("job", "put", "..", "--owner", "bob", "--organization", str(world.id), DATABASE_URL=dsn)

    assert (done.returncode, done.stdout) == (1, "")
    assert "The id of a job is none of ., .., me, pipelines, which are addresses." in done.stderr


async def test_commands_reach_what_was_called_like_an_address_before(dsn: str, world: World) -> None:
    await world.group(name="..")

    done = run("group", "delete", "..", "--yes", "--organization", str(world.id), DATABASE_URL=dsn)

    assert (done.returncode, done.stdout) == (0, "Deleted group ...\n")


async def test_command_pipeline_create_goes_by_the_schema(dsn: str, world: World) -> None:
    done = run("pipeline", "create", "a\u202eb", "--organization", str(world.id), DATABASE_URL=dsn)

    assert (done.returncode, done.stdout) == (64, "")
    assert "name: Must be 1 to 255 characters" in done.stderr
