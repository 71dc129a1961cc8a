"""The lines of libraries: without the secrets that the environment gives them, and bounded."""

import logging
import sys

import pytest
from structlog.testing import capture_logs

from service.telemetry.library_messages import LONGEST_MESSAGE, LONGEST_TRACEBACK, LibraryMessages

HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
TRACES_HEADERS = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def told(variables: dict[str, str], message: str, error: Exception | None = None) -> dict[str, object]:
    """Return the line of a library that says something, in an environment."""
    exception = None
    if error is not None:
        try:
            raise error
        except Exception:
            exception = sys.exc_info()
    with capture_logs() as lines:
        LibraryMessages(variables).emit(
            logging.LogRecord("library", logging.WARNING, __file__, 1, message, None, exception)
        )
    (line,) = lines
    return dict(line)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (HEADERS, "authorization canary", "Header format invalid! authorization canary"),
        (HEADERS, "a=b,authorization=Bearer%20canary", "authorization=Bearer%20canary"),
        (HEADERS, "authorization=Bearer%20canary%0A", "in header value: 'Bearer canary\\n'"),
        (TRACES_HEADERS, "x-key=canary", "key 'canary'"),
        (ENDPOINT, "http://c/v1?api_key=canary", "Max retries exceeded with url: /v1?api_key=canary (Caused by"),
        (ENDPOINT, "http://me:can%61ry@c/v1", "in http://me:can%61ry@c/v1, password canary"),
    ],
)
def test_secrets_of_the_environment_are_in_no_line_of_a_library(name: str, value: str, message: str) -> None:
    line = told({name: value}, message, ValueError(message))

    assert "***" in str(line["message"])
    assert not any(secret in str(line) for secret in ("canary", "can%61ry"))


def test_line_of_a_library_is_bounded() -> None:
    line = told({}, "x" * 100_000, ValueError("y" * LONGEST_TRACEBACK))

    assert len(str(line["message"])) == LONGEST_MESSAGE + len("...")
    assert line["exc_info"] is None


def test_line_of_a_library_without_secrets_is_as_it_was() -> None:
    error = ValueError("odd")
    line = told({HEADERS: "a=b, , =, c"}, "a b c", error)

    assert (line["logger"], line["message"], line["log_level"]) == ("library", "a b c", "warning")
    assert line["exc_info"][1] is error  # type: ignore[index] # the fields of a line are anything
