"""A process gives back what it took for large requests, so that its most is not the sum of all that it ever did."""

import subprocess
import sys
from typing import Final

import pytest

PROGRAM: Final = """
import sys
from pathlib import Path
from service.process import give_memory_back

def taken():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

if sys.argv[1] == "True":
    give_memory_back()
before = taken()
bytearray(20 << 20)  # what the C library sees freed, it does not take from the system the next time
large, small = [], []
for _ in range(100):
    large.append(b"x" * (1 << 20))
    small.append(b"x" * 2_000)
del large
print(taken() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the C library is another one")
@pytest.mark.parametrize("asked", [True, False])
def test_memory_of_large_bodies_is_given_back_only_if_asked_for(asked: bool) -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, str(asked)], capture_output=True, text=True, check=True)

    assert (int(ran.stdout) < 10) == asked
