"""`make scale`, at a small size: what it measures is there, and the simulated database is planned for by indexes."""

import re
from pathlib import Path

import pytest

from tests.scale.__main__ import main
from tests.scale.calls import CALLS
from tests.scale.simulation import SEGMENT, lengthen


@pytest.fixture(scope="module", name="printed")
def _printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("scale")
    options = ["--jobs", "4000", "--targets", "3", "--changes", "24", "--churn", "1", "--directory", str(directory)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["make scale", *options])
        lines: list[str] = []
        patch.setattr("builtins.print", lambda *texts, **_: lines.append(" ".join(map(str, texts))))
        main()
    assert not [*directory.iterdir()], "what is not kept is deleted"
    return "\n".join(lines)


@pytest.mark.slow
def test_scale_measures_every_call_and_table(printed: str) -> None:
    measured, planned = printed.split("## Planned for 1,000,000,000 jobs")

    for name in CALLS:
        assert re.search(rf"^\| {re.escape(name)} \| [1-9][\d,]* \|", measured, re.MULTILINE), name
        assert f"\n| {name} |" in planned
    assert re.search(r"^\| assignments \| assignments_pkey \| 20,000 \|", measured, re.MULTILINE)
    assert re.search(r"^\| update, again \| [1-9]", measured, re.MULTILINE)
    assert re.search(r"^\| assignments_pkey \| [\d.]+ \| [1-9][\d.]+ x \|$", measured, re.MULTILINE)


@pytest.mark.slow
def test_scale_plans_a_billion_jobs_by_indexes(printed: str) -> None:
    """But for months without entries, which stay empty."""
    rows = [line.split(" | ") for line in printed.split("## Planned for")[1].splitlines() if line.startswith("| ")]

    assert "Seq Scan" in " ".join(former for _, _, former in rows), "the control: they differ"
    assert {way for _, ways, _ in rows for way in ways.split(", ") if "Scan" in way} <= {"Seq Scan of audit"}


@pytest.mark.slow
def test_lengthened_files_are_in_segments_and_take_no_room(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"x" * 8192)

    lengthen(tmp_path, {"1": 2 * SEGMENT + 8192})

    assert [(tmp_path / name).stat().st_size for name in ("1", "1.1", "1.2")] == [SEGMENT, SEGMENT, 8192]
    assert sum(path.stat().st_blocks * 512 for path in tmp_path.iterdir()) < 10**6
