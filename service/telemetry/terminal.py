r"""Text for a terminal: what somebody else named can neither move the cursor nor pass for something else.

Names, ids, file names and the sentences that quote them are shown with everything in them that is invisible or acts on
a terminal as an escape, such as \x1b, \n or \u202e, and with each backslash doubled, so that no two texts look alike.
"""

import re
import unicodedata
from typing import Final

_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
"""Characters that show nothing, although Unicode counts them among letters, marks and symbols."""
_SHORT: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str, encoding: str = "utf-8") -> str:
    """Return a text as a terminal may show it, on one line.

    Args:
        text: of any characters, lone surrogates too.
        encoding: of the terminal; what it lacks is escaped as well.
    """
    if not (text.isascii() and text.isprintable() and "\\" not in text):
        shown: list[str] = []
        base = False
        for character in text:
            # A mark without a letter of its own would be drawn onto what stands before the text.
            marks = unicodedata.category(character)[0] == "M"
            plain = is_visible(character) and character != "\\" and (base or not marks)
            shown.append(character if plain else _SHORT.get(character) or _code(character))
            base = plain
        text = "".join(shown)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def escape_cell(text: str, encoding: str = "utf-8") -> str:
    """Return a text as a column of several may show it: in it, no more than one space stands between two words."""
    escaped = escape(text, encoding)
    return re.sub(r"(?<= ) |^ | $", r"\\x20", escaped) if "  " in escaped or escaped != escaped.strip() else escaped


def escape_json(text: str, *, only_ascii: bool = False) -> str:
    """Return JSON that means the same, with everything in it that is invisible or acts on a terminal as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if is_visible(character) and not (only_ascii and character > "~") else _json_code(character)
        for character in text
    )


def is_visible(character: str) -> bool:
    """Return whether a character shows itself as it is: no control, format, line separator, surrogate or odd space."""
    return character.isprintable() and not _INVISIBLE.match(character)


def width(text: str) -> int:
    """Return the columns that an escaped text takes: two for wide characters of East Asia, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"} or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _code(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_code(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
