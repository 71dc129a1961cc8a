"""A person with a browser, as a program: `python -m tests.oidc.browse URL` signs in there as the name in LOGIN.

In the place of a code that is typed, `USER_CODE` has it.
"""

import os
import re
import sys
from html import unescape
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urljoin

import requests

_FORM = re.compile(r"<form[^>]*>.*?</form>", re.DOTALL)
_SKIPPED = {None, "abort", "cancel"}
_INPUT = re.compile(r"<(?:input|button)[^>]*>")


def attribute(tag: str, name: str) -> str | None:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else None


def browse(url: str, login: str, user_code: str = "") -> str:
    """Follow pages and their forms to the end, and return the last page."""
    session = requests.Session()
    # Browsers trust this machine's own addresses as if they were by https, and Keycloak relies on it.
    session.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("https", "http")))
    answer = session.get(url, timeout=20)
    for _ in range(8):
        form = _FORM.search(answer.text)
        if form is None:
            break
        fields = {attribute(each, "name"): attribute(each, "value") or "" for each in _INPUT.findall(form[0])}
        code = fields.get("user_code") or user_code
        typed = {"login": login, "username": login, "password": login, "user_code": code, "device_user_code": code}
        filled = {
            name: typed.get(name, value) for name, value in fields.items() if name not in {None, "abort", "cancel"}
        }
        action = attribute(form[0].partition(">")[0], "action") or answer.url
        answer = session.post(urljoin(answer.url, action), data=filled, timeout=20)
    return answer.text


if __name__ == "__main__":
    browse(sys.argv[1], os.environ["LOGIN"])
