"""Files as people and programs write them, in any form; and what is too long, cut off or damaged."""

import bz2
import gzip
import io
import tracemalloc
import zlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from service.transfer import reading
from service.transfer.importing import ImportRefused, import_records
from service.transfer.reading import MAX_LINE, LineReader
from service.transfer.records import BadRecord
from tests.transfer.files import lines, whole


def zstd() -> Any:
    """Return a module of zstd, or skip the test where there is none."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            pass
    return pytest.skip("there is no zstd: the extra zstd is not installed")


def plain() -> bytes:
    return lines(*whole().values()).getvalue()


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda content: content,
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "a mark and CRLF": lambda content: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"),
    "no last end of line": lambda content: content.rstrip(b"\n"),
    "blank lines": lambda content: b"\r\n\n" + content.replace(b"\n", b"\n \t\r\n"),
    "gzip": gzip.compress,
    "gzip of a mark and CRLF": lambda content: gzip.compress(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")),
    "gzip in members": lambda content: gzip.compress(content[:100]) + gzip.compress(content[100:]),
    "gzip and padding": lambda content: gzip.compress(content) + bytes(512),
    "zstd": lambda content: bytes(zstd().compress(content)),
    "zstd in frames": lambda content: bytes(zstd().compress(content[:100]) + zstd().compress(content[100:])),
}


@pytest.mark.parametrize("form", FORMS)
async def test_import_takes_every_form(dsn: str, form: str) -> None:
    result = await import_records(dsn, io.BytesIO(FORMS[form](plain())))

    assert sum(result.records.values()) == len(whole())


@pytest.mark.parametrize("form", FORMS)
async def test_import_reads_what_arrives_in_small_parts(dsn: str, form: str) -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(7 if size is None or size < 0 or size > 7 else size)

    result = await import_records(dsn, Trickle(FORMS[form](plain())))

    assert sum(result.records.values()) == len(whole())


def padded(size: int) -> bytes:
    """Return a record as a line of that many bytes."""
    record = lines(whole()["organization"]).getvalue().rstrip(b"\n")
    return record[:-1] + b" " * (size - len(record)) + b"}"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("form", ["as it is", "gzip"])
async def test_import_takes_lines_up_to_the_stated_length(dsn: str, end: bytes, form: str) -> None:
    result = await import_records(dsn, io.BytesIO(FORMS[form](padded(MAX_LINE) + end)))
    assert result.records == {"organization": 1}

    with pytest.raises(ImportRefused, match=r"line 3: longer than 1,048,576 bytes, the most that a line may have$"):
        await import_records(dsn, io.BytesIO(FORMS[form](padded(200) + b"\n\n" + padded(MAX_LINE + 1) + end)))


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "gzip cut off": (lambda: gzip.compress(plain())[:-20], "the compressed file ends in the middle: it was cut off"),
    "gzip of nothing but a beginning": (lambda: gzip.compress(plain())[:8], "it was cut off"),
    "gzip damaged": (lambda: gzip.compress(plain())[:40] + b"damage" + gzip.compress(plain())[46:], "is damaged"),
    "gzip and then text": (lambda: gzip.compress(plain()) + b"{}", "the compressed file is damaged: "),
    "a wrong checksum": (lambda: gzip.compress(plain())[:-8] + b"\0" * 8, "the compressed file is damaged: "),
    "zstd cut off": (lambda: bytes(zstd().compress(plain()))[:-20], "it was cut off"),
    "zstd damaged": (lambda: bytes(zstd().compress(plain()))[:20] + b"damage", "is damaged|was cut off"),
    "UTF-16": (lambda: plain().decode().encode("utf-16"), "line 1: the file is UTF-16: write it as UTF-8"),
    "UTF-32": (lambda: plain().decode().encode("utf-32-be"), "line 1: not JSON"),
    "latin-1": (lambda: '{"type": "é"}'.encode("latin-1"), "line 1: not JSON: it is not UTF-8"),
    "bzip2": (lambda: bz2.compress(plain()), "not JSON: it is not UTF-8; of what is compressed, gzip and zstd are"),
    "cut off": (lambda: plain()[:-2], "not JSON: the line ends within a record, which takes one line"),
    "over several lines": (lambda: b'{\n"type": "user"\n}', "line 1: not JSON: the line ends within a record"),
}


@pytest.mark.parametrize("kind", BAD)
async def test_import_refuses_by_line_what_it_can_not_read(dsn: str, kind: str) -> None:
    make, reason = BAD[kind]

    with pytest.raises(ImportRefused, match=rf"^line \d+: .*({reason.removeprefix('line 1: ')})"):
        await import_records(dsn, io.BytesIO(make()))


@pytest.mark.parametrize("compress", [gzip.compress, lambda content: bytes(zstd().compress(content))])
def test_bomb_takes_no_more_memory_than_a_line(compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(bytes(200 * MAX_LINE))
    assert len(bomb) < MAX_LINE
    tracemalloc.start()

    with pytest.raises(BadRecord, match="longer than"):
        list(LineReader(io.BytesIO(bomb)))

    assert tracemalloc.get_traced_memory()[1] < 4 * MAX_LINE
    tracemalloc.stop()


async def test_bomb_of_blank_lines_is_read_in_bounded_memory(dsn: str) -> None:
    compressor = zlib.compressobj(wbits=31)
    bomb = b"".join(compressor.compress(b" " * 99_999 + b"\n") for _ in range(1000)) + compressor.flush()
    tracemalloc.start()

    result = await import_records(dsn, io.BytesIO(bomb))

    assert tracemalloc.get_traced_memory()[1] < 10 * MAX_LINE
    tracemalloc.stop()
    assert result.records == {}


async def test_import_of_zstd_without_its_module_says_what_helps(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(reading, "import_module", missing)

    with pytest.raises(ImportRefused, match=r"line 1: the file is compressed by zstd, .*`zstd -dc FILE`"):
        await import_records(dsn, io.BytesIO(b"\x28\xb5\x2f\xfd\0\0"))


async def test_progress_counts_the_bytes_of_the_file(dsn: str) -> None:
    content, told = gzip.compress(plain()), list[int]()

    await import_records(dsn, io.BytesIO(content), told.append)

    assert sum(told) == len(content)


def test_longest_record_fits_into_a_line_by_far() -> None:
    """Of 10,000 characters, each written as two escapes of six bytes."""
    assert MAX_LINE > 8 * 12 * 10_000
    assert find_spec("gzip")
