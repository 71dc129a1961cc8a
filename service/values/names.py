"""The rules of names, ids and texts: one for each kind of thing, whichever way it comes in.

API, command line and import check a value by its rule, and the database's constraints repeat the patterns. Rules are
for what is new: what was made before there was a rule is still found, changed and deleted by the name that it has.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.values.casefold import IGNORABLE, casefold

RESERVED: Final = (".", "..", "me", "pipelines")
"""Words that nothing is called which stands in an address: they are steps of a path, or addresses of the API.

A test holds them against the method table."""

UNFIT: Final = (
    *((0x00, 0x1F), (0x7F, 0x9F)),  # controls
    *((0x2028, 0x2029), (0xFFF9, 0xFFFB)),  # separators of lines and paragraphs, interlinear annotations
    *((0x061C, 0x061C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x206F)),  # what turns the direction of a text
    *((0xD800, 0xDFFF), (0xFDD0, 0xFDEF)),  # no characters
    *((plane + 0xFFFE, plane + 0xFFFF) for plane in range(0, 0x110000, 0x10000)),
)
"""Characters that no name has, as ranges of codes."""

_UNFIT: Final = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in UNFIT)}]")

BLANK: Final = frozenset("\u2800\U0001d159\U00013441\U00013442\U00016fe4")
"""Characters of scripts and symbols that show nothing."""

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_MAIL: Final = re.compile(r"([^@\s]+)@([^@\s]+)")


def has_unfit(name: str) -> bool:
    """Return whether a name has a character that no name may have."""
    return _UNFIT.search(name) is not None


def is_visible(name: str) -> bool:
    """Return whether there is anything of a name for the eye: a letter, a digit, punctuation or a symbol."""
    return any(_shows(each) for each in name)


def _shows(character: str) -> bool:
    category = unicodedata.category(character)
    shows = category[0] in "LNPS" or category in ("Co", "Cn")  # the last may have got a form in a later Unicode
    return shows and character not in IGNORABLE and character not in BLANK


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of one kind of name, id or text."""

    sentence: str
    """The rest of "Must be …"."""
    max_length: int
    pattern: re.Pattern[str] | None = None
    """The characters that it is made of, for names and ids that stand in addresses; None: any that can be shown."""
    in_address: bool = False
    """True if it stands in addresses, so that it can't be one of RESERVED."""
    exact: bool = False
    """True if it is compared as it is, and not by name_key()."""
    trimmed: bool = False
    """True if white space around it is no part of it."""
    may_be_empty: bool = False
    multiline: bool = False
    """True for a text, which may have any character that the database can hold."""
    mail: bool = False
    """True for an address of mail: two parts with one @ between them, and no space."""

    def check(self, value: object) -> str:
        """Return what is stored of a value that names something new.

        Raises:
            ValueError: it is none; the text is the rest of "Must be …".
        """
        text = self.check_reference(value)
        if self.in_address and (text if self.exact else text.lower()) in RESERVED:
            raise ValueError(f"none of {', '.join(RESERVED)}, which are addresses")
        return text

    def check_reference(self, value: object) -> str:
        """Return what a value names that there is already, whatever it may be called.

        Raises:
            ValueError: nothing can be called that; likewise.
        """
        if not isinstance(value, str) or len(value) > 4 * self.max_length:  # what is far too long is not looked at
            raise ValueError(self.sentence)
        text = value.strip() if self.trimmed else value
        if len(text) > self.max_length or not (self._fits(text) or (self.may_be_empty and not text)):
            raise ValueError(self.sentence)
        return text

    def _fits(self, text: str) -> bool:
        if self.pattern:
            return self.pattern.fullmatch(text) is not None
        if self.multiline:
            return _UNSTORABLE.search(text) is None
        parts = [text]
        if self.mail:
            match = _MAIL.fullmatch(text)
            parts = [*match.groups()] if match else [""]
        return all(map(is_visible, parts)) and not has_unfit(text)


_NAME: Final = re.compile(r"[A-Za-z0-9_.@-]{1,100}")
_OF_NAMES: Final = "1 to 100 characters of A-Z a-z 0-9 _ . @ -"
_SHOWN: Final = "not only invisible ones, and no control, bidirectional or line-separator characters"

USERNAME: Final = Rule(_OF_NAMES, 100, _NAME, in_address=True)
GROUP_NAME: Final = Rule(_OF_NAMES, 100, _NAME, in_address=True)
JOB_ID: Final = Rule(
    '1 to 128 characters of A-Z a-z 0-9 _ . : - (but not "pipelines")',
    128,
    re.compile(r"(?!pipelines\Z)[A-Za-z0-9_.:-]{1,128}"),
    in_address=True,
    exact=True,
)
PIPELINE_NAME: Final = Rule(f"1 to 255 characters, {_SHOWN}", 255, trimmed=True)
ORGANIZATION_NAME: Final = Rule(f"1 to 255 characters, {_SHOWN}", 255, exact=True, trimmed=True)
JOB_NAME: Final = Rule(f"at most 255 characters, {_SHOWN}", 255, exact=True, may_be_empty=True)
TOKEN_NAME: Final = Rule(f"at most 255 characters, {_SHOWN}", 255, exact=True, may_be_empty=True)
DISPLAY_NAME: Final = Rule(f"1 to 255 characters, {_SHOWN}", 255, trimmed=True)
EMAIL: Final = Rule(f"3 to 320 characters with one @ between two parts, no spaces, {_SHOWN}", 320, mail=True)
EXTERNAL_ID: Final = Rule(f"1 to 255 characters, {_SHOWN}", 255, exact=True)
DESCRIPTION: Final = Rule("at most 10,000 characters", 10_000, exact=True, may_be_empty=True, multiline=True)

RULES: Final[Mapping[str, Rule]] = {
    "username": USERNAME,
    "group name": GROUP_NAME,
    "job id": JOB_ID,
    "pipeline name": PIPELINE_NAME,
    "organization name": ORGANIZATION_NAME,
    "job name": JOB_NAME,
    "token name": TOKEN_NAME,
    "display name": DISPLAY_NAME,
    "email": EMAIL,
    "external id": EXTERNAL_ID,
    "pipeline description": DESCRIPTION,
}
"""The rules by kind, as docs/reference/values.md has them."""


def name_key(name: str) -> str:
    """Return the key that names have in common which count as the same: by NFKC_Casefold, without space around it."""
    return casefold(name).strip()
