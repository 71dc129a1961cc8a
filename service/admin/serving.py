"""/admin/: the page for administrators, served from the plain files beside this one.

All files lie below one path segment, the hash of them all. Relative imports between modules then just work, and each
address has one content for ever, so a browser may keep it without asking again. Only the shell, index.html, is asked
for each time: it names the hash. Every other address below /admin/ answers the shell, as views have addresses of their
own.
"""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from typing import Final

import orjson
from aiohttp import web

from service.http.conditions import entity_tag, not_modified
from service.http.header_lists import quality
from service.http.public_address import PublicAddresses
from service.values.identity_providers import Provider, origin_of, sign_in_of

STATIC: Final = Path(__file__).parent / "static"
SHELL: Final = "index.html"
NO_PROVIDERS: Final = b'<meta name="identity-providers" content="[]">'
CONTENT_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_PROTECTION: Final = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}

POLICY: Final = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    # With no policy that could make trusted HTML, the browser itself refuses innerHTML and its like: whatever names
    # say, they can only ever become text.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
))  # fmt: skip


def policy_with(providers: Sequence[Provider]) -> str:
    """Return the policy of a page that signs in by providers: it may send requests to these, and to no others."""
    origins = {origin_of(each.issuer): None for each in providers}
    return POLICY.replace("connect-src 'self'", " ".join(("connect-src 'self'", *origins)))


SHELL_HEADERS: Final = {
    **_PROTECTION,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}
ASSET_HEADERS: Final = {
    **_PROTECTION,
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, as it is sent."""

    body: bytes
    compressed: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Site:
    """All files of the page, read once; the hash of them all is their version."""

    version: str
    assets: Mapping[str, Asset]
    shell: bytes

    def shell_below(self, prefix: str, providers: Sequence[Provider] = ()) -> bytes:
        """Return the shell for a page that a proxy serves below a path; the modules go by where they were loaded.

        The providers that people sign in by stand in an attribute, as the policy lets no script stand in the shell.
        """
        said = orjson.dumps([sign_in_of(each, each.client_id) for each in providers]).decode()
        shell = self.shell.replace(b'"/admin/', f'"{prefix}/admin/'.encode())
        return shell.replace(NO_PROVIDERS, NO_PROVIDERS.replace(b"[]", escape(said).encode()))


@cache
def read_site(directory: Path) -> Site:
    """Read the files, and put into the shell where they are."""
    files = {path.relative_to(directory).as_posix(): path for path in sorted(directory.rglob("*")) if path.is_file()}
    contents = {name: path.read_bytes() for name, path in files.items()}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    version = digest.hexdigest()[:16]
    shell = contents.pop(SHELL).decode()
    assets = {
        name: Asset(content, gzip.compress(content, mtime=0), CONTENT_TYPES[files[name].suffix])
        for name, content in contents.items()
    }
    base = f"/admin/assets/{version}"
    # Named ahead, so that the browser asks for all modules at once and not import by import.
    preloads = "\n".join(
        f'    <link rel="modulepreload" href="{base}/{name}">' for name in assets if name.endswith(".js")
    )
    shell = shell.replace("<!-- modules -->", preloads.strip()).replace("{assets}", base)
    return Site(version, assets, shell.encode())


def add_admin_page(app: web.Application, addresses: PublicAddresses, providers: Sequence[Provider] = ()) -> None:
    """Serve the page; it says nothing of any organization until a user signs in, and takes no token.

    Args:
        app: to serve it.
        addresses: to say where it is.
        providers: that the service takes tokens of; those with a client for the page are offered to sign in by.
    """
    site = read_site(STATIC)
    offered = tuple(each for each in providers if each.client_id is not None)
    shell_headers = {**SHELL_HEADERS, "Content-Security-Policy": policy_with(offered)}

    @lru_cache(maxsize=16)
    def shell_below(prefix: str) -> tuple[bytes, str]:
        found = site.shell_below(prefix, offered)
        return found, entity_tag(found)

    async def redirect(request: web.Request) -> web.Response:
        location = f"{addresses.of(request).prefix}/admin/"
        return web.Response(status=308, headers={"Location": location, **addresses.headers})

    async def asset(request: web.Request) -> web.Response:
        found = site.assets.get(request.match_info["name"])
        if found is None or request.match_info["version"] != site.version:
            raise web.HTTPNotFound
        zipped = quality(request.headers, "Accept-Encoding", "gzip") > 0
        headers = {**ASSET_HEADERS, "Content-Encoding": "gzip"} if zipped else ASSET_HEADERS
        body = found.compressed if zipped else found.body
        return web.Response(body=body, content_type=found.content_type, charset="utf-8", headers=headers)

    async def shell(request: web.Request) -> web.Response:
        body, tag = shell_below(addresses.of(request).prefix)
        headers = {**shell_headers, **addresses.headers, "ETag": tag}
        if not_modified(request, tag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    app.router.add_get("/admin", redirect)
    app.router.add_get("/admin/assets/{version}/{name:.+}", asset)
    app.router.add_get("/admin/{view:(?!assets/).*}", shell)
