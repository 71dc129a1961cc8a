import pytest

from service.values import base64url


@pytest.mark.parametrize(("padded", "text"), [(False, "-_8"), (True, "-_8=")])
def test_bytes_have_one_text(padded: bool, text: str) -> None:
    assert base64url.encode(b"\xfb\xff", padded=padded) == text
    assert base64url.decode(text, padded=padded) == b"\xfb\xff"


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    "text", ["-_9", "-_9=", "+/8", "+/8=", "-_8==", "-_\n8=", "-_8\n", "-", "ä", "\ud800", "=", "-_8=-_8="]
)
def test_text_of_no_bytes_is_refused(padded: bool, text: str) -> None:
    with pytest.raises(ValueError, match=r"no base64|another text"):
        base64url.decode(text, padded=padded)


@pytest.mark.parametrize(("padded", "text"), [(False, "-_8="), (True, "-_8")])
def test_text_with_the_other_padding_is_refused(padded: bool, text: str) -> None:
    with pytest.raises(ValueError, match=r"no base64|another text"):
        base64url.decode(text, padded=padded)
