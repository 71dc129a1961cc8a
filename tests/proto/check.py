"""`make proto-check`: have buf lint the .proto file, and look for what breaks the clients of the version before."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.proto.__main__ import GOOGLE
from tests.proto.generate import PROTO
from tests.proto.numbers import FOLDER

HERE: Final = Path(__file__).parent
BEFORE: Final = HERE / "before.binpb"
"""The image of the version before: what clients were made from. `make proto-release` renews it."""
BUF: Final = Path(sys.executable).with_name("buf")


@contextmanager
def module(proto: str) -> Iterator[Path]:
    """Put a .proto file together with what it imports of google.api, as buf takes a module; the rest buf has."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        shutil.copyfile(HERE / "buf.yaml", directory / "buf.yaml")
        for name in ("annotations", "http"):
            (directory / "google/api").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(GOOGLE / f"google/api/{name}.proto", directory / f"google/api/{name}.proto")
        path = directory / PROTO.relative_to(FOLDER.parents[1])
        path.parent.mkdir(parents=True)
        path.write_text(proto)
        yield directory


def buf(directory: Path, *arguments: str) -> tuple[int, str]:
    """Run buf in a module, without the network, and return its status and what it says."""
    environment = {**os.environ, "BUF_CACHE_DIR": str(directory / ".cache"), "HOME": str(directory)}
    done = subprocess.run(
        [BUF, *arguments], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def findings(proto: str) -> list[str]:
    """Return what is wrong with a .proto file: how it is written, or for clients of the version before."""
    found = []
    with module(proto) as directory:
        for arguments in (("lint",), ("breaking", "--against", str(BEFORE))):
            status, said = buf(directory, *arguments)
            if status:
                found += said.splitlines() or [f"buf {arguments[0]} ended with {status}."]
    return found


def release() -> None:
    """Let the present file be the version before."""
    with module(PROTO.read_text()) as directory:
        status, said = buf(directory, "build", "--exclude-source-info", "-o", str(BEFORE))
    if status:
        sys.exit(said)


if __name__ == "__main__":
    if sys.argv[1:] == ["release"]:
        release()
    elif found := findings(PROTO.read_text()):
        sys.exit("\n".join(found))
