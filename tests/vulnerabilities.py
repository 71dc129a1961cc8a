"""The audit of lock files for known vulnerabilities: `make audit`.

pip-audit exits by 0 when it was told of no package at all, and by 1 both for a vulnerability and for a network that it
can't get through. Neither may be mistaken for the other: a machine that can't reach the data says so loudly and goes
on, as the code is no better or worse for it.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

UNREACHABLE = re.compile(
    r"^(requests|urllib3)\.exceptions\.|ServiceError|Could not connect|not redirecting", re.MULTILINE
)


@dataclass(frozen=True)
class Verdict:
    """A verdict of an audit, with the status that `make audit` exits by."""

    status: int
    message: str


def judge(output: str, errors: str) -> Verdict:
    """Return the verdict on a run of pip-audit, by its standard output (JSON) and its standard error."""
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except ValueError:
        return unaudited(errors.strip().splitlines()[-1]) if UNREACHABLE.search(errors) else Verdict(2, errors)
    vulnerable = [
        f"{each['name']} {each['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'none'}"
        for each in found
        for flaw in each.get("vulns", [])
    ]
    skipped = [each["skip_reason"] for each in found if "skip_reason" in each]
    if vulnerable:
        return Verdict(1, "\n".join(["VULNERABLE:", *vulnerable]))
    if found and len(skipped) == len(found):
        return unaudited(f"PyPI's data names none of {len(found)} packages")
    if skipped:
        return Verdict(1, "\n".join(["Of some packages alone there is no data:", *skipped]))
    return Verdict(0, f"No vulnerability is known of {len(found)} packages.")


def unaudited(reason: str) -> Verdict:
    """Return the verdict of a machine that can't reach the data."""
    return Verdict(0, f"make: NOT AUDITED: the data about vulnerabilities can't be reached from here ({reason}).")


def audit(files: Sequence[str]) -> Verdict:
    """Audit lock files, without resolving or installing anything."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner=off"]
    named = [argument for file in files for argument in ("--requirement", file)]
    ran = subprocess.run([*command, "--format=json", *named], capture_output=True, text=True, check=False)
    return judge(ran.stdout, ran.stderr)


if __name__ == "__main__":
    verdict = audit(sys.argv[1:])
    print(verdict.message, file=sys.stderr)
    sys.exit(verdict.status)
