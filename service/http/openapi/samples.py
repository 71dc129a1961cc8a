"""Samples of a request in the languages that clients are written in: for a shell, Python and JavaScript.

Each can be run as it is, with the service's address and a token in the environment.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

SERVER: Final = "SERVER"
TOKEN: Final = "TOKEN"  # noqa: S105 - the name of a variable


class Request(NamedTuple):
    """A request that is shown."""

    method: str
    path: str
    body: Any = None
    """None if it has none."""


class Language(NamedTuple):
    """A language of samples."""

    name: str
    write: Callable[[Request], str]


def request_of(method: str, path: str, operation: Mapping[str, Any]) -> Request:
    """Return the request of an operation of the document, by its own examples."""
    values = {each["name"]: each["example"] for each in operation["parameters"] if each["in"] == "path"}
    filled = re.sub(r"\{(\w+)\}", lambda step: str(values[step[1]]), path)
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Request(method.upper(), filled, content.get("example"))


def _curl(request: Request) -> str:
    lines = [f'curl "${SERVER}{request.path}"']
    if request.method != "GET":
        lines[0] = f'curl --request {request.method} "${SERVER}{request.path}"'
    lines.append(f'--header "Authorization: Bearer ${TOKEN}"')
    if request.body is not None:
        body = json.dumps(request.body, ensure_ascii=False).replace("'", r"'\''")
        lines += ['--header "Content-Type: application/json"', f"--data '{body}'"]
    return " \\\n  ".join(lines)


def _python(request: Request) -> str:
    arguments = [
        f'"{request.method}"',
        f'os.environ["{SERVER}"] + {json.dumps(request.path)}',
        f'headers={{"Authorization": "Bearer " + os.environ["{TOKEN}"]}}',
    ]
    if request.body is not None:
        arguments.append(f"json={_literal(request.body, '    ')}")
    arguments.append("timeout=30")
    shown = ",\n    ".join(arguments)
    return (
        "import os\n\nimport requests  # httpx.request() takes the same\n\n"
        f"answer = requests.request(\n    {shown},\n)\nprint(answer.status_code, answer.json())"
    )


def _literal(value: Any, indent: str) -> str:
    """Write a value of JSON as Python does, with the quotes of JSON and a line for each key."""
    if isinstance(value, dict):
        lines = (f"\n{indent}    {json.dumps(key)}: {_literal(each, indent + '    ')}," for key, each in value.items())
        return f"{{{''.join(lines)}\n{indent}}}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_literal(each, indent) for each in value)}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _javascript(request: Request) -> str:
    headers = [f"Authorization: `Bearer ${{process.env.{TOKEN}}}`"]
    if request.body is not None:
        headers.append('"Content-Type": "application/json"')
    options = [f'method: "{request.method}"', f"headers: {{ {', '.join(headers)} }}"]
    if request.body is not None:
        body = json.dumps(request.body, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        options.append(f"body: JSON.stringify({body})")
    shown = ",\n  ".join(options)
    return (
        f"const answer = await fetch(`${{process.env.{SERVER}}}{request.path}`, {{\n  {shown},\n}});\n"
        "console.log(answer.status, await answer.json());"
    )


LANGUAGES: Final[Mapping[str, Language]] = {
    "curl": Language("curl", _curl),
    "python": Language("Python", _python),
    "javascript": Language("JavaScript", _javascript),
}
