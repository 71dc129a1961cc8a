"""Bytes as text by the URL's base64 (RFC 4648), of which each has one text alone.

Decoders also accept texts whose last character has other bits, which mean nothing, and some accept other characters
between. A text that a client sends back is compared and counted as a text, and is to be the one that it was given.
"""

import base64
import binascii


def encode(raw: bytes, *, padded: bool = False) -> str:
    """Encode bytes.

    Args:
        padded: whether the text is filled up to a multiple of four characters by `=`.
    """
    text = base64.urlsafe_b64encode(raw).decode()
    return text if padded else text.rstrip("=")


def decode(text: str, *, padded: bool = False) -> bytes:
    """Decode what `encode` returns.

    Raises:
        ValueError: it returns that text for no bytes.
    """
    filled = text if padded else text + "=" * (-len(text) % 4)
    try:
        raw = base64.b64decode(filled.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("It is no base64.") from error
    if encode(raw, padded=padded) != text:
        raise ValueError("It was changed to another text of the same bytes.")
    return raw
