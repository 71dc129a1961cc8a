"""`make proto`: write the .proto file anew from the method table, the lock of its numbers, and what protoc makes."""

import shutil
import sys
import tempfile
from pathlib import Path

import google.api
import grpc_tools
from grpc_tools import protoc

from tests.proto.generate import PROTO, Generator
from tests.proto.numbers import FOLDER, LOCK, Numbers

ROOT = FOLDER.parents[1]
GOOGLE = Path(next(iter(google.api.__path__))).parents[1]
"""Where googleapis-common-protos has google.api."""
LIBRARIES = (GOOGLE, Path(next(iter(grpc_tools.__path__))) / "_proto")
"""What the file imports: google.api, and google.protobuf of protoc itself."""


def write() -> None:
    """Write what has changed."""
    generator = Generator(Numbers.read())
    PROTO.write_text(generator.text())
    LOCK.write_text(generator.numbers.text())
    with tempfile.TemporaryDirectory() as directory:
        compile_into(Path(directory))
        for path in Path(directory).rglob("*_pb2.py*"):
            shutil.copyfile(path, FOLDER / path.name)


def compile_into(directory: Path) -> None:
    """Have protoc make Python modules of the .proto file."""
    arguments = [f"-I{folder}" for folder in (ROOT, *LIBRARIES)]
    if protoc.main(["protoc", *arguments, f"--python_out={directory}", f"--pyi_out={directory}", str(PROTO)]) != 0:
        sys.exit("protoc refused the file.")


if __name__ == "__main__":
    write()
