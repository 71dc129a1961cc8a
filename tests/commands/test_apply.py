"""The command `apply`: the difference, the question, and the files that declare a state."""

import json
import subprocess
import sys
from pathlib import Path

from tests.commands.forked import run, run_each
from tests.factories import World
from tests.process.running import ROOT, environment

YAML = """
groups:
  - name: reviewers
    members: [bob]
pipelines:
  - name: Invoices
    description: Two each
    grants:
      - group: reviewers
        permissions: [flow_pipeline:execute]
        expires_at: 2150-01-01T00:00:00Z
"""
DIFFERENCE = """\
+ group reviewers
+ pipeline Invoices: description Two each
+ grant Invoices/group:reviewers: may read, execute until 2150-01-01 00:00:00Z
+ group reviewers: member bob
"""


async def test_apply_shows_the_difference_and_makes_it_once_that_is_agreed_to(
    dsn: str, world: World, tmp_path: Path
) -> None:
    await world.user("bob")
    file = tmp_path / "state.yaml"
    file.write_text(YAML)
    of = ("--file", str(file), "--organization", str(world.id))

    (looked,) = run_each([["apply", *of, "--dry-run"]], DATABASE_URL=dsn)
    refused = run("apply", *of, given="n\n", DATABASE_URL=dsn)
    assert await world.raw.fetchval("SELECT count(*) FROM groups WHERE organization_id = $1", world.id) == 0
    done = run("apply", *of, given="y\n", DATABASE_URL=dsn)
    (again,) = run_each([["apply", *of]], DATABASE_URL=dsn)

    assert (looked.returncode, looked.stdout) == (0, DIFFERENCE)
    assert (refused.returncode, refused.stdout) == (1, DIFFERENCE)
    assert "Make these 4 changes? [y/N]" in refused.stderr
    assert (done.returncode, done.stdout) == (0, f"{DIFFERENCE}It is as declared now.\n")
    assert (again.returncode, again.stdout) == (0, "Nothing to do: it is as declared.\n")


async def test_apply_prunes_only_when_told_to_and_says_how_much_goes(dsn: str, world: World, tmp_path: Path) -> None:
    bob = await world.user("bob")
    await world.group(bob, name="g")
    await world.pipeline("Gone")
    (tmp_path / "s.json").write_text('{"pipelines": [], "groups": [{"name": "g", "members": []}]}')
    of = ("--file", str(tmp_path / "s.json"), "--organization", str(world.id))

    stays, pruned = run_each([["apply", *of], ["apply", *of, "--prune", "--yes", "--json"]], DATABASE_URL=dsn)

    assert stays.stdout == "Nothing to do: it is as declared.\n"
    changes = [(each["action"], each["target"]) for each in json.loads(pruned.stdout)["changes"]]
    assert changes == [("group.remove_member", "group:g"), ("pipeline.delete", "pipeline:Gone")]


ALIASES = "a: &a [1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{former}'] * 9)}]\n" for former, name in zip("abcdefgh", "bcdefghi", strict=True)
)
"""A file of 400 bytes that stands for 43 million values twice."""
TWICE = "{" + "".join(f'"{number}": 1, ' for number in range(60_000)) + '"59999": 1}'
WRONG = {
    "": "The file must be an object",
    "[]": "The file must be an object",
    "{": "The file is not JSON",
    "a: [": "The file is no YAML",
    "a: !!python/object:os.system {}": "The file is no YAML",
    "prune: true": "prune: Unknown field.",
    "groups: []\ngroups: []": "groups: Given more than once.",
    '{"groups": [], "groups": []}': "groups: Given more than once.",
    "groups: [{name: me}]": "groups.0.name: Must be none of",
    "groups: [{name: yes}]": "groups.0.name: Not a valid string.",
    "pipelines: [{name: p, grants: [{user: bob}]}]": "pipelines.0.grants.0.permissions: Missing data",
    "pipelines: [{name: p, grants: [{user: b, permissions: [], expires_at: 2001-01-01}]}]": "Must be a time",
    "[" * 100_000: "The file",
    '{"groups": ' + "9" * 5000 + "}": "The file can't be read: a number in it has too many digits.",
    "groups:\n- " + "9" * 5000: "The file is no YAML: there is a value that can't be read in line 2.",
    "groups:\n- 2150-99-99": "The file is no YAML: there is a value that can't be read in line 2.",
    ALIASES: "The file has more than 1,000,000 values",
    TWICE: "59999: Given more than once.",
}


def test_files_that_declare_nothing(dsn: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.yaml" for number in range(len(WRONG))]
    for file, content in zip(files, WRONG, strict=True):
        file.write_text(content)

    calls = [["apply", "--file", str(file), "--yes"] for file in files]
    for done, said in zip(run_each(calls, DATABASE_URL=dsn), WRONG.values(), strict=True):
        assert (done.returncode in {1, 2}, done.stdout, said in done.stderr) == (True, "", True), done


async def test_apply_of_yaml_whose_defaults_are_merged_and_overridden(dsn: str, world: World, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "pipelines:\n- &usual {name: One, description: usual}\n- {<<: *usual, name: Two}\n"
    )
    of = ("--file", str(tmp_path / "s.yaml"), "--organization", str(world.id))

    (done,) = run_each([["apply", *of, "--dry-run"]], DATABASE_URL=dsn)

    assert done.stdout == "+ pipeline One: description usual\n+ pipeline Two: description usual\n", done.stderr


def test_yaml_without_its_extra_is_told_which_one_that_is(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, "-m", "service", "apply", "--file", "-"],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(tmp_path)),
        input=YAML,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, "pip install 'flow-pipelines[yaml]'" in done.stderr) == (2, True)
