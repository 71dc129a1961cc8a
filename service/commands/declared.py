"""The command `apply`: a declared state of pipelines, groups and grants, put in place."""

import json
from collections.abc import Hashable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Any, Final

import click
from marshmallow import ValidationError

from service.client.answer import Answer, Operations
from service.commands.options import INPUT_FILE, confirm, json_option, yes_option
from service.commands.output import say, short_permission_names, show_json, until
from service.commands.place import Place, place_options
from service.errors import InvalidArgument, StartupError
from service.operations.apply import apply
from service.schemas.apply import Apply
from service.schemas.messages import flatten
from service.schemas.request import schema_of
from service.values.repeated import repeated

LARGEST: Final = 8 * 2**20
"""Bytes of a file."""
MAX_VALUES: Final = 1_000_000
"""Values of a file, with each alias of YAML as what it stands for: a few lines of them may stand for billions."""
DECLARED: Final = ("pipelines", "groups")
"""The lists that a file has."""


@click.command("apply")
@click.option("-f", "--file", "file", type=INPUT_FILE, required=True, help="JSON or YAML; - for standard input.")
@click.option("--prune", is_flag=True, help="Let go what is not declared, in the lists that the file has.")
@click.option("--dry-run", is_flag=True, help="Show the difference, and change nothing.")
@place_options
@yes_option
@json_option
def apply_command(file: IO[bytes], prune: bool, dry_run: bool, place: Place, yes: bool, as_json: bool) -> None:
    """Put pipelines, groups and grants in place as FILE declares them, all or nothing.

    Shows the difference, asks, and makes that difference in one transaction, or nothing if it would be another one by
    then. What is not declared stays; with --prune it goes: pipelines and groups that the file has not, and grants and
    members beside those that it declares of one. docs/how-to/administer-from-anywhere.md describes the file.
    """
    request = _declared(file, prune=prune)

    async def look(operations: Operations) -> Answer:
        return await operations.run(apply, replace(request, dry_run=True))

    found = place.run(look).body
    if not as_json:
        _show(found["changes"])
    if dry_run or not found["changes"]:
        if as_json:
            show_json(found)
        return
    gone = sum(change["after"] is None for change in found["changes"])
    less = f", {gone:,} of which take something away" if gone else ""
    number = len(found["changes"])
    confirm(yes, f"Make {'this change' if number == 1 else f'these {number:,} changes'}{less}?")
    agreed = replace(request, plan=found["plan"])
    done = place.run(lambda operations: operations.run(apply, agreed)).body
    show_json(done) if as_json else say("It is as declared now.")


def _declared(file: IO[bytes], *, prune: bool) -> Apply:
    """Read a declared state.

    Raises:
        StartupError: the file is too large, or no JSON or YAML.
        InvalidArgument: what it declares is not valid.
    """
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise StartupError(f"The file is larger than {LARGEST // 2**20} MiB: declare fewer things in it.")
    declared = _parse(content)
    if not isinstance(declared, dict):
        raise InvalidArgument("The file must be an object with the lists pipelines and groups, or one of them.")
    if unknown := [str(name) for name in declared if name not in DECLARED]:
        raise InvalidArgument.of_fields((name, ["Unknown field."]) for name in unknown)
    try:
        read: Apply = schema_of(Apply).read(declared)
    except ValidationError as error:
        raise InvalidArgument.of_fields(flatten(error.messages)) from None
    return replace(read, prune=prune)


def _parse(content: bytes) -> Any:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StartupError("The file is not UTF-8.") from None
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith(("{", "[")):
            raise StartupError(f"The file is not JSON: {error.msg} in line {error.lineno}.") from None
    except ValueError:  # that Python has for numbers of thousands of digits
        raise StartupError("The file can't be read: a number in it has too many digits.") from None
    except RecursionError:
        raise StartupError("The file can't be read: it is nested too deeply.") from None
    return _parse_yaml(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[Any, Any]:
    _refuse_twice(name for name, _ in pairs)
    return dict(pairs)


def _refuse_twice(names: Iterable[str]) -> None:
    """Refuse several values of one name, of which readers take the last without a word.

    Raises:
        InvalidArgument: a name is there twice.
    """
    if found := repeated(names):
        raise InvalidArgument.of_fields([(found[0], ["Given more than once."])])


def _parse_yaml(text: str) -> Any:
    """Parse YAML, by the library of the extra `yaml`.

    Raises:
        StartupError: it is none, or the library is not installed.
    """
    try:
        import yaml  # noqa: PLC0415 - it is an extra
    except ImportError:
        raise StartupError(
            "The file is not JSON, and YAML takes the extra yaml: pip install 'flow-pipelines[yaml]'."
        ) from None

    class Loader(yaml.SafeLoader):
        """PyYAML's own, which takes the last of several values of one name."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            own = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            _refuse_twice(str(self.construct_object(key)) for key in own)
            self.flatten_mapping(node)  # puts what is merged before what is said here, which goes before it
            return {str(self.construct_object(key)): self.construct_object(each, True) for key, each in node.value}

        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (ValueError, TypeError) as error:
                raise yaml.MarkedYAMLError(
                    problem="there is a value that can't be read", problem_mark=node.start_mark
                ) from error

    try:
        return _with_texts(yaml.load(text, Loader))  # noqa: S506 - it is a safe one
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise StartupError(f"The file is no YAML: {error.problem}{where}.") from None
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        raise StartupError("The file is no YAML.") from None


def _with_texts(parsed: Any) -> Any:
    """Return what was parsed with times as texts, as JSON has them.

    Raises:
        StartupError: it has too many values, such as aliases of aliases.
    """
    number = 0

    def copy(value: Any) -> Any:
        nonlocal number
        number += 1
        if number > MAX_VALUES:
            raise StartupError(f"The file has more than {MAX_VALUES:,} values: declare fewer things in it.")
        if isinstance(value, datetime):
            return value.replace(tzinfo=value.tzinfo or UTC).isoformat()
        if isinstance(value, dict):
            return {key: copy(each) for key, each in value.items()}
        return [copy(each) for each in value] if isinstance(value, list) else value

    return copy(parsed)


def _show(changes: list[dict[str, Any]]) -> None:
    """Show changes to a person, one a line."""
    if not changes:
        say("Nothing to do: it is as declared.")
    for change in changes:
        kind, _, name = change["target"].partition(":")
        sign = "-" if change["after"] is None else "+" if change["before"] is None else "~"
        say(f"{sign} {kind} {name}{_difference(change['before'], change['after'])}")


def _difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """Return what changes, field by field."""
    old, new = _words(before or {}), _words(after or {})
    parts = [
        f"{name} {old[name]} -> {new[name]}" if name in old and name in new else f"{name} {new.get(name) or old[name]}"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
    return f": {', '.join(parts)}" if parts else ""


def _words(state: dict[str, Any]) -> dict[str, str]:
    if "permissions" in state:
        what = "manager" if state["is_manager"] else short_permission_names(state["permissions"])
        return {"may": f"{what}{until(state['expires_at'])}"}
    return {name: str(value) for name, value in state.items() if value and name != "name"}
