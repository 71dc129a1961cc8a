"""`make keycloak-check`: what docs/how-to/keycloak.md says, by a program, against the Keycloak in KEYCLOAK."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import requests
from playwright.async_api import Page, async_playwright, expect

from tests.admin.browser import NONE, find_browser, launch
from tests.oidc.browse import browse
from tests.process.running import ROOT, environment, free_port, wait_for

PAGE: Final = ROOT / "docs/how-to/keycloak.md"
USER: Final = "maria"
SIGN_IN: Final = "Sign in with Keycloak"


@contextmanager
def keycloak(home: Path, keycloak_port: int, service_port: int) -> Iterator[str]:
    """Run Keycloak with the realm, on ports of its own; yield the issuer."""
    realm = (ROOT / "deploy/keycloak/realm.json").read_text().replace(":8080", f":{service_port}")
    place = home / "data/import/realm.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(realm)
    command = [str(home / "bin/kc.sh"), "start-dev", "--db=dev-mem", "--import-realm", "--http-host=127.0.0.1"]
    issuer = f"http://127.0.0.1:{keycloak_port}/realms/acme"
    with subprocess.Popen([*command, f"--http-port={keycloak_port}"], stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: process.poll() is not None or answers(issuer), 600, "Keycloak")
            yield issuer
        finally:
            process.terminate()


def answers(issuer: str) -> bool:
    try:
        return requests.get(f"{issuer}/.well-known/openid-configuration", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def documented(issuer: str) -> dict[str, str]:
    """Return the variables that the page exports, for a Keycloak on another port."""
    found = dict(re.findall(r"^export (\w+)=(.*)$", PAGE.read_text(), re.MULTILINE))
    return {**found, "OIDC_ISSUER": issuer}


async def log_in(page: Page) -> None:
    await page.get_by_role("button", name=SIGN_IN).click()
    await page.locator("#username").fill(USER)
    await page.locator("#password").fill(USER)
    await page.locator("#kc-login").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def look(service: str) -> None:
    """Sign in to the admin page, reload it, open another tab, let the token end, and sign out."""
    program = find_browser()
    assert program, NONE
    async with async_playwright() as playwright:
        browser = await launch(playwright, program)
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{service}/admin/pipelines")
        await log_in(page)
        assert "/admin/pipelines" in page.url
        await page.reload()
        await expect(page.get_by_role("link", name="Audit")).to_be_visible()  # an administrator, by the group
        second = await context.new_page()
        await second.goto(f"{service}/admin/users/{USER}")
        await expect(second.get_by_role("heading", name=USER, level=1)).to_be_visible()
        await page.clock.set_system_time(datetime.now(UTC) + timedelta(minutes=6))
        await page.get_by_role("link", name="Jobs").click()
        await expect(page.get_by_role("heading", name="Jobs", level=1, exact=True)).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        for each in (page, second):
            await expect(each.get_by_role("button", name=SIGN_IN)).to_be_visible()
        await log_in(page)
        await browser.close()


def command_line(service: str, directory: Path) -> None:
    """Sign in at the command line, by a browser and by a code."""
    home = {"XDG_CONFIG_HOME": str(directory), "LOGIN": USER, "DATABASE_URL": "none:"}
    by_browser = environment(**home, BROWSER=f"{sys.executable} -m tests.oidc.browse %s")
    said = subprocess.run(
        [sys.executable, "-m", "service", "login", service, "--sso"],
        cwd=ROOT, env=by_browser, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert f"as {USER}, admin" in said.stdout, said
    command = [sys.executable, "-m", "service", "login", service, "--sso", "--device"]
    with subprocess.Popen(command, cwd=ROOT, env=environment(**home), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        found = re.search(r"Open (\S+) on any machine.* the code (\S+)", process.stderr.readline())
        assert found
        browse(found[1], USER, found[2])
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()


def main() -> int:
    """Do all of it, and say what was done."""
    home = Path(os.environ.get("KEYCLOAK", ""))
    if not (home / "bin/kc.sh").exists():
        sys.stderr.write("KEYCLOAK must name the unpacked archive of Keycloak, 26.7 or newer; it takes Java 17.\n")
        return 2
    port = free_port()
    with TemporaryDirectory() as directory, keycloak(home, free_port(), port) as issuer:
        more = {"HTTP_PORT": str(port), "OPS_PORT": "0", "DATA_DIR": f"{directory}/data"}
        settings = environment(**documented(issuer), **more)
        settings.pop("DATABASE_URL", None)
        service, log = f"http://127.0.0.1:{port}", Path(directory) / "log"
        with log.open("wb") as output, subprocess.Popen(
            [sys.executable, "-m", "service", "demo"], cwd=ROOT, env=settings, stdout=output, stderr=output
        ) as process:  # fmt: skip
            try:
                wait_for(lambda: process.poll() is not None or b"token  " in log.read_bytes(), 180, "the service")
                assert process.poll() is None, log.read_text()
                asyncio.run(look(service))
                command_line(service, Path(directory))
            finally:
                process.terminate()
    sys.stdout.write(f"Signed in by {issuer}: on the admin page, and at the command line by a browser and a code.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
