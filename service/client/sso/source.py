"""The token that is sent to a server: the one that is kept, or that of a sign-in, renewed as often as it ends."""

from service.client.contexts import load_contexts, put_token, renewing
from service.client.selection import Server
from service.client.sso.kept import KeptSignIn, parse_kept, renew


class TokenSource:
    """Gives the token of a server for each call."""

    def __init__(self, server: Server) -> None:
        """Begin with what is kept.

        Raises:
            StartupError: nothing is, or it can't be read.
        """
        self._server = server
        self._token = server.require_token()
        self._kept = parse_kept(self._token)

    async def current(self) -> str:
        """Return the token.

        Raises:
            Unauthenticated: the sign-in has ended.
            Unavailable: it must be renewed, and the provider can't be reached.
        """
        if self._kept is None:
            return self._token
        if not self._kept.is_good:
            self._kept = await self._renewed(self._kept)
        return self._kept.access

    async def _renewed(self, kept: KeptSignIn) -> KeptSignIn:
        """Renew it once for all commands that run at the moment, as a refresh token is often good just once."""
        name = self._server.context
        if name is None:
            return await renew(kept, self._server.address.url)
        with renewing():
            now = parse_kept(load_contexts().token_of(name) or "")
            if now is not None and now != kept and now.is_good:
                return now
            found = await renew(now or kept, self._server.address.url)
            put_token(name, found.written())
            return found
