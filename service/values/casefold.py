"""Unicode's NFKC_Casefold, by which names are compared: regardless of case, of compatibility forms, of the invisible.

Python has its parts, but not the whole. What follows the definition of toNFKC_Casefold, after NFD (Unicode, D146 and
D147): each character is mapped by itself, and the whole is composed again. A test holds it against Unicode's own table.
"""

import unicodedata
from functools import lru_cache
from typing import Final

IGNORABLE_RANGES: Final = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
IGNORABLE: Final = frozenset(chr(code) for first, last in IGNORABLE_RANGES for code in range(first, last + 1))
"""The characters of the property Default_Ignorable_Code_Point, which no font shows; as of Unicode 14 and since."""

_WITHOUT_IGNORABLE: Final = dict.fromkeys(map(ord, IGNORABLE))


def casefold(text: str) -> str:
    """Return a text's NFKC_Casefold; of a folded text that is itself."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", "".join(map(_fold, unicodedata.normalize("NFD", text))))


@lru_cache(4096)
def _fold(character: str) -> str:
    """Map one character as the property NFKC_Casefold does."""
    compatible = unicodedata.normalize("NFKC", character).translate(_WITHOUT_IGNORABLE)
    return unicodedata.normalize("NFKC", compatible.casefold())
