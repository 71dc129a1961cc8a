"""The words of the API, each list of them once in the document: a named schema, in the place of an enum in each field.

A field needs no more than its enum: where that has the words of a vocabulary, the document refers to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.errors import CODES
from service.permissions import Role

REFERENCE: Final = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A list of words that fields have as their values."""

    name: str
    description: str
    words: Mapping[str, str]
    """The meaning of each word."""

    def schema(self) -> dict[str, Any]:
        """Return it as a component of the document."""
        meanings = "\n".join(f"- `{word}`: {meaning}" for word, meaning in self.words.items())
        return {
            "type": "string",
            "enum": [*self.words],
            "description": f"{self.description}\n\n{meanings}",
            "x-enum-varnames": [word.rpartition(":")[2].upper() for word in self.words],  # names for generators
        }


_OF_PERMISSIONS: Final = {
    "flow_pipeline:read": "see it, and the jobs in it",
    "flow_pipeline:execute": "put jobs in, and take them out",
    "flow_pipeline:delete": "delete it",
    "flow_pipeline:manage_pipelines": "decide who may do what on it",
    "flow_pipeline:write": "rename and describe it",
}
_OF_SCOPES: Final = {
    **_OF_PERMISSIONS,
    "admin": "do what only administrators may",
    "tokens": "make, list, rotate and revoke tokens",
    "scim": "provision users and groups by SCIM, which takes an administrator's token and no other scope",
}
_OF_ROLES: Final = {
    Role.MEMBER.value: "may do what they are granted",
    Role.PIPELINE_ADMIN.value: "acts as a manager of every pipeline, and creates them",
    Role.ADMIN.value: "may do that too, and handles users, groups, and other users' tokens",
}
_OK: Final = {"OK": "it is done"}
_ERROR: Final = {"ERROR": "it failed; `code` and `msg` say why"}

VOCABULARIES: Final = (
    Vocabulary("Permission", "One of the five permissions on a pipeline.", _OF_PERMISSIONS),
    Vocabulary("Scope", "A scope of a token, which can do no more than its scopes say.", _OF_SCOPES),
    Vocabulary("Role", "A user's role in their organization.", _OF_ROLES),
    Vocabulary("Code", "The name of the google.rpc.Code of a failure; others may come.", CODES),
    Vocabulary("SuccessStatus", "The status of a success.", _OK),
    Vocabulary("FailureStatus", "The status of a failure.", _ERROR),
    Vocabulary("Status", "The status of one of several results.", {**_OK, **_ERROR}),
)


def name_vocabularies(document: dict[str, Any]) -> None:
    """Put each vocabulary that fields of the document have into its components, and references into the fields."""
    schemas = document["components"]["schemas"]
    by_words = {frozenset(each.words): each for each in VOCABULARIES}
    found: dict[str, Vocabulary] = {}

    def name(node: dict[str, Any]) -> None:
        words = node.get("enum", [])
        vocabulary = by_words.get(frozenset(words) - {None})
        if vocabulary is None:
            return
        found[vocabulary.name] = vocabulary
        del node["enum"]
        node.pop("type", None)
        reference = {"$ref": REFERENCE + vocabulary.name}
        node |= {"anyOf": [reference, {"type": "null"}]} if None in words else reference

    _visit(document["paths"], name)
    _visit(schemas, name)
    schemas |= {each: found[each].schema() for each in sorted(found)}


def _visit(node: Any, visitor: Callable[[dict[str, Any]], None]) -> None:
    """Hand each object of the document to a visitor, but for those in examples, which have keys of their own."""
    if isinstance(node, dict):
        if isinstance(node.get("enum"), list):
            visitor(node)
        for key, each in node.items():
            if key != "example":
                _visit(each, visitor)
    elif isinstance(node, list):
        for each in node:
            _visit(each, visitor)
