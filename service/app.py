"""The composition root: which parts the application has, and which of them are given to which."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from service.admin.serving import add_admin_page
from service.audit.months import AuditMonths
from service.audit.sealing import Sealer
from service.audit.timelines import Timelines
from service.authentication.last_use import TokenUse
from service.batching.batcher import Batcher
from service.database.pool import Database
from service.errors import StartupError
from service.health import Health
from service.http.admission import AdmissionController
from service.http.bodies import BodyBudget
from service.http.cross_origin import CrossOrigin
from service.http.endpoint import Endpoint
from service.http.middleware import observe_requests
from service.http.open_streams import Streams
from service.http.openapi.page import add_documentation
from service.http.probes import HEALTHZ, healthz
from service.http.protected_resource import add_protected_resource
from service.http.public_address import PublicAddresses
from service.http.rate_limit import RateLimiter
from service.http.request_log import RequestLog
from service.http.responses import Failures
from service.http.routes import ROUTES, words_beside
from service.http.streams import ChangesEndpoint
from service.http.turns import Turns
from service.http.unsent import UnsentBudget
from service.operations.changes import list_changes
from service.operations.dispatcher import Dispatcher
from service.settings import Network, Settings
from service.telemetry.metrics import RequestMetrics

if TYPE_CHECKING:
    from service.authentication.oidc.sign_in import SignIn
    from service.grpc.binding import KeptMessages
    from service.tracing import Tracing

METRICS: Final = web.AppKey("metrics", RequestMetrics)
BODIES: Final = web.AppKey("bodies", BodyBudget)
SEALER: Final = web.AppKey("sealer", Sealer)
AUDIT_MONTHS: Final = web.AppKey("audit_months", AuditMonths)
TIMELINES: Final = web.AppKey("timelines", Timelines)
STREAMS: Final = web.AppKey("streams", Streams)
UNSENT: Final = web.AppKey("unsent", UnsentBudget)
ADMISSION: Final = web.AppKey("admission", AdmissionController)
DISPATCHER: Final = web.AppKey("dispatcher", Dispatcher)
ADDRESSES: Final = web.AppKey("addresses", PublicAddresses)
REQUEST_LOG: Final = web.AppKey("request_log", RequestLog)
KEPT_MESSAGES: Final[web.AppKey["KeptMessages"]] = web.AppKey("kept_messages")
"""There where the extra of gRPC is installed."""
TOKEN_USE: Final = web.AppKey("token_use", TokenUse)


def create_app(
    settings: Settings,
    database: Database,
    health: Health,
    tracing: "Tracing | None" = None,
    request_log: Callable[[RequestMetrics, Sequence[Network]], RequestLog] = RequestLog,
) -> web.Application:
    """Put the public application together.

    Args:
        settings: of the process.
        database: behind a pool of its own.
        health: for /healthz.
        tracing: makes spans; None: there are none.
        request_log: counts and logs requests.
    """
    metrics = RequestMetrics()
    failures = Failures([(row.method, row.path) for row in ROUTES if row.vendor_v1 and settings.v1_errors_as_200])
    limiter = RateLimiter(settings.rate_limit, settings.rate_limit_burst) if settings.rate_limit else None
    token_use = TokenUse(database)
    batcher_type = tracing.batcher_type if tracing else Batcher
    dispatcher = Dispatcher(database, token_use, settings, batcher_type)
    turns = Turns(database.presence)
    cross_origin = CrossOrigin(settings.cors_origins) if settings.cors_origins else None
    shares, timeout, bodies = dispatcher.under_way, settings.request_timeout, BodyBudget(settings.max_bodies_bytes)
    admission = AdmissionController(
        settings.max_requests, metrics, failures, limiter, shares, turns, timeout, cross_origin, bodies
    )
    log = request_log(metrics, settings.trusted_proxies)
    observe = observe_requests(settings.request_timeout, metrics, log, failures)
    around = [tracing.trace_requests, observe, tracing.note_span] if tracing else [observe]
    app = web.Application(middlewares=[admission.middleware, *around], client_max_size=settings.max_body_bytes)
    if cross_origin is not None:
        app.middlewares.append(cross_origin.answer_preflight)
        app.on_response_prepare.append(cross_origin.add_headers)
    app[METRICS], app[ADMISSION] = metrics, admission
    app[DISPATCHER], app[TOKEN_USE], app[REQUEST_LOG] = dispatcher, token_use, log
    app[BODIES] = bodies
    app[UNSENT] = UnsentBudget(settings.max_unsent_bytes, metrics, database.presence)
    app[STREAMS] = Streams(settings, database.presence)
    app[SEALER] = Sealer(database, settings.audit_seal_interval)
    app[AUDIT_MONTHS] = AuditMonths(database)
    app[TIMELINES] = Timelines(database)
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_keep_audit)
    app.cleanup_ctx.append(_write_token_use)
    if settings.providers:
        dispatcher.authentication.sign_in = sign_in = make_sign_in(settings, database, batcher_type)
        app.cleanup_ctx.append(lambda _: sign_in.running())
    app.router.add_get(HEALTHZ, healthz(health))
    addresses = app[ADDRESSES] = PublicAddresses(settings.public_url, settings.trusted_proxies)
    add_documentation(app, addresses)
    add_admin_page(app, addresses, settings.providers)
    add_protected_resource(app, addresses, settings.providers)
    _add_routes(app)
    _add_extras(app, settings, failures)
    return app


def _add_extras(app: web.Application, settings: Settings, failures: Failures) -> None:
    """Add the other ways to call operations, for which the extra is there."""
    if find_spec("grpc") is not None:
        with suppress(ModuleNotFoundError):  # others need a part of the extra, too, such as exporters of traces
            _add_connect(app, failures)
    if settings.scim:
        _add_scim(app, failures)


def _add_connect(app: web.Application, failures: Failures) -> None:
    """Add the same operations by Connect, which takes the extra of gRPC: it is imported only where that is there."""
    from service.grpc.binding import AnswerForms, JsonMessageBinding, KeptMessages, MessageBinding  # noqa: PLC0415 - an extra
    from service.grpc.connect import ConnectEndpoint  # noqa: PLC0415 - likewise
    from service.grpc.failures import connect_response  # noqa: PLC0415 - likewise
    from service.grpc.messages import PACKAGE, methods  # noqa: PLC0415 - likewise

    failures.below[f"/{PACKAGE}."] = connect_response
    kept = app[KEPT_MESSAGES] = KeptMessages(app[DISPATCHER].responses.max_bytes)
    shared = app[DISPATCHER], app[BODIES], app[UNSENT], app[ADDRESSES]
    for row, method in methods():
        json, proto = JsonMessageBinding(row, method, *shared), MessageBinding(row, method, *shared)
        endpoint = ConnectEndpoint(json, proto, AnswerForms(row, method, kept), *shared)
        app.router.add_post(f"/{json.rpc}", endpoint.handle)


def _add_scim(app: web.Application, failures: Failures) -> None:
    """Add SCIM, which takes an extra and a second to import.

    Raises:
        StartupError: it is not installed.
    """
    try:
        from service.scim.failures import scim_response  # noqa: PLC0415 - an extra, loaded only where it is asked for
        from service.scim.incoming import PREFIX  # noqa: PLC0415 - likewise
        from service.scim.routes import add_routes  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise StartupError(
            f"SCIM=true asks for provisioning by SCIM, but {error.name} is not installed:"
            " pip install 'flow-pipelines[scim]', or unset it."
        ) from error
    failures.below[f"{PREFIX}/"] = scim_response
    add_routes(app, app[DISPATCHER], app[BODIES], app[ADDRESSES])


def make_sign_in(settings: Settings, database: Database, batcher_type: Callable[..., Batcher[Any, Any]]) -> "SignIn":
    """Return what takes tokens of identity providers.

    Raises:
        StartupError: it is not installed.
    """
    try:
        from service.authentication.oidc.keys import most_waiting  # noqa: PLC0415 - an extra, loaded only where it is asked for
        from service.authentication.oidc.sign_in import SignIn  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise StartupError(
            f"OIDC_ISSUER or OIDC_ISSUERS asks for tokens of an identity provider, but {error.name} is not installed:"
            " pip install 'flow-pipelines[oidc]', or unset it."
        ) from error
    waiting = most_waiting(settings.max_requests, len(settings.providers))
    return SignIn(database, settings.providers, settings.statement_timeout, batcher_type, waiting)


def _add_routes(app: web.Application) -> None:
    """Add the method table's rows."""
    for route in ROUTES:
        path = "/".join(
            _pattern(step, words_beside(route.path, place)) for place, step in enumerate(route.path.split("/"))
        )
        parts = app[BODIES], app[UNSENT], app[ADDRESSES]
        if route.operation is list_changes:
            handle = ChangesEndpoint(route, *parts, streams=app[STREAMS], dispatcher=app[DISPATCHER]).handle
        else:
            handle = Endpoint(route, app[DISPATCHER], *parts).handle
        if route.method == "GET":
            app.router.add_get(path, handle)  # and HEAD with it
        else:
            app.router.add_route(route.method, path, handle)


def _pattern(step: str, words: set[str]) -> str:
    """Return a step of a path; a parameter is not one of the words that are addresses of their own in its place.

    It is anything else: what aiohttp would leave out, braces, is refused by the operation's schema, and only to a
    caller.
    """
    name = step.strip("{}")
    if name == step:
        return step
    others = f"(?!(?:{'|'.join(sorted(words))})$)" if words else ""
    return f"{{{name}:{others}[^/]+}}"


async def _end_streams(app: web.Application) -> None:
    """End the clients that follow changes before the requests under way are waited for; each is told its cursor."""
    await app[DISPATCHER].feed.reader.close("draining")


async def _keep_audit(app: web.Application) -> AsyncIterator[None]:
    """Seal the audit trail, make its months, and note timelines, for as long as the application runs."""
    work = app[SEALER].seal_forever(), app[AUDIT_MONTHS].make_forever(), app[TIMELINES].note_forever()
    tasks = [asyncio.create_task(each) for each in work]
    yield
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _write_token_use(app: web.Application) -> AsyncIterator[None]:
    """Write when tokens were used, for as long as the application runs, and once more at its end."""
    writing = asyncio.create_task(app[TOKEN_USE].write_forever())
    yield
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    await app[TOKEN_USE].write()
