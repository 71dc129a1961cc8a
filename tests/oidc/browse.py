"""A person with a browser, as a program: `python -m tests.oidc.browse URL` signs in there as the name in LOGIN.

In the place of a code that is typed, `USER_CODE` has it.
"""

import os
import re
import sys
from collections.abc import Mapping
from html import unescape
from urllib.parse import urljoin

import requests

_FORM = re.compile(r"<form[^>]*>.*?</form>", re.DOTALL)
_SKIPPED = {"abort", "cancel"}
"""Buttons that a person who agrees does not press; what has no name is never sent."""
_INPUT = re.compile(r"<(?:input|button)[^>]*>")


def attribute(tag: str, name: str) -> str | None:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else None


def ask(session: requests.Session, method: str, url: str, form: Mapping[str, str] | None = None) -> requests.Response:
    """Ask, and follow where it leads, with secure cookies too: for browsers, this machine's addresses are as safe."""
    answer = session.request(method, url, data=form, allow_redirects=False, timeout=20)
    for _ in range(10):
        for cookie in session.cookies:
            cookie.secure = False
        if not answer.is_redirect:
            break
        answer = session.get(urljoin(answer.url, answer.headers["Location"]), allow_redirects=False, timeout=20)
    return answer


def browse(url: str, login: str, user_code: str = "") -> str:
    """Follow pages and their forms to the end, and return the last page."""
    session = requests.Session()
    session.headers["Accept"] = "text/html"  # by this, Keycloak tells the person with a code from the program
    answer = ask(session, "GET", url)
    for _ in range(8):
        form = _FORM.search(answer.text)
        if form is None:
            break
        fields = {attribute(each, "name"): attribute(each, "value") or "" for each in _INPUT.findall(form[0])}
        code = fields.get("user_code") or user_code
        typed = {"login": login, "username": login, "password": login, "user_code": code, "device_user_code": code}
        filled = {name: typed.get(name, value) for name, value in fields.items() if name and name not in _SKIPPED}
        action = attribute(form[0].partition(">")[0], "action") or answer.url
        answer = ask(session, "POST", urljoin(answer.url, action), filled)
    return answer.text


if __name__ == "__main__":
    browse(sys.argv[1], os.environ["LOGIN"])
