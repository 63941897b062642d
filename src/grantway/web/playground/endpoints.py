"""The pages of the playground: the list, a walk, the way back of the browser, and the decoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

from grantway.browser import build_csrf_token, check_form, find_browser, find_origin
from grantway.endpoints.dispatcher import redirect
from grantway.endpoints.presentation import render
from grantway.errors import InvalidRequest, RequestForbidden
from grantway.extension import Call, Endpoint
from grantway.model import DEFAULT_TENANT
from grantway.protocol.message import Parameters, Response
from grantway.protocol.sealing import encode_base64url
from grantway.server import AuthorizationServer
from grantway.web.playground.editing import apply_changes
from grantway.web.playground.flow import Answer, Flow, Material
from grantway.web.playground.flows import FLOWS
from grantway.web.playground.sending import introspect_tokens, send
from grantway.web.playground.showing import describe, read_jwt
from grantway.web.playground.views import describe_flow, describe_walk, group_flows
from grantway.web.playground.walks import Outcome, Walk, Walks

_LONGEST_JWT = 32 * 1024


class Demo(Struct, frozen=True, kw_only=True):
    """What the development server was seeded with."""

    secrets: Mapping[str, str | None]
    keys: Mapping[str, Mapping[str, str]]
    certificates: Mapping[str, str]
    initial_access_token: str
    username: str
    password: str


class Playground:
    """What the pages share. ``open`` is called once, before the first request."""

    def __init__(self, flows: tuple[Flow, ...] = FLOWS) -> None:
        self.walks = Walks()
        self._flows = flows
        self._opened: tuple[AuthorizationServer, Demo] | None = None

    def open(self, server: AuthorizationServer, demo: Demo) -> None:
        self._opened = (server, demo)

    @property
    def server(self) -> AuthorizationServer:
        return self._load()[0]

    @property
    def demo(self) -> Demo:
        return self._load()[1]

    def _load(self) -> tuple[AuthorizationServer, Demo]:
        if self._opened is None:
            raise InvalidRequest("The playground is not open yet.")
        return self._opened

    def list_flows(self) -> list[Flow]:
        """Those that this server has, switched on, and has a demo client for."""
        runtime, secrets = self.server.runtime, self.demo.secrets
        return [
            flow
            for flow in self._flows
            if (not flow.client_id or flow.client_id in secrets) and flow.is_available(runtime)
        ]

    def find_flow(self, name: str | None) -> Flow:
        """Raises ``InvalidRequest``."""
        for flow in self.list_flows():
            if flow.name == name:
                return flow
        raise InvalidRequest("The playground has no such flow.")

    def build_material(self, call: Call, walk: Walk) -> Material:
        runtime = call.runtime
        return Material(
            issuer=call.tenant.issuer,
            paths={endpoint.name: path for path, endpoint in runtime.extensions.endpoints.items()},
            secrets=self.demo.secrets,
            keys=self.demo.keys,
            certificates=self.demo.certificates,
            initial_access_token=self.demo.initial_access_token,
            entropy=runtime.entropy,
            now=call.now // 1000,
            client_id=walk.flow.client_id,
            username=self.demo.username,
            password=self.demo.password,
            values=walk.values,
        )

    def prepare(self, call: Call, walk: Walk) -> None:
        """Builds the request of the current step, once."""
        if walk.request is None and not walk.is_over:
            walk.request = walk.flow.steps[walk.position].build(self.build_material(call, walk))


class _Page(Endpoint):
    """A page of the playground. It belongs to the default tenant."""

    is_page = True
    methods = ("GET", "POST")

    def __init__(self, playground: Playground) -> None:
        self.playground = playground

    async def handle(self, call: Call) -> Response:
        if call.tenant.tenant != DEFAULT_TENANT:
            raise InvalidRequest("The playground is the default tenant's.")
        if not is_own_host(call):
            if call.request.method != "GET":
                raise RequestForbidden(detail="Host")
            return redirect(f"{call.tenant.issuer}/playground")
        if call.request.method == "GET":
            return await self.show(call, read_query(call))
        form = call.form()
        form.check_unique()
        return await self.act(call, form)

    @abstractmethod
    async def show(self, call: Call, query: Parameters) -> Response:
        """Answers GET."""

    @abstractmethod
    async def act(self, call: Call, form: Parameters) -> Response:
        """Answers POST."""

    def render(self, call: Call, page: str, context: dict[str, Any], *, status: int = 200) -> Response:
        """Renders it with the list of flows that every page has."""
        shared = {
            "groups": group_flows(self.playground.list_flows()),
            "flow": None,
            "csrf_token": build_csrf_token(call, find_browser(call)),
        }
        return render(call, page, {**shared, **context}, status=status)


def is_own_host(call: Call) -> bool:
    """Whether the browser knows this server by the issuer's name.

    The pages hold secrets. Under another name of this machine, be it localhost or one that somebody else points here
    (DNS rebinding), there is nothing to read; the issuer's cookies are not there either.
    """
    return call.request.header(b"host") == find_origin(call.tenant.issuer).partition("://")[2].encode()


def read_query(call: Call) -> Parameters:
    """The query's parameters, none of them twice."""
    query = call.query()
    query.check_unique()
    return query


class Flows(_Page):
    """The list of flows, and one flow before it begins."""

    name = "playground"
    path = "/playground"

    async def show(self, call: Call, query: Parameters) -> Response:
        if query.get("flow") is None:
            return self.render(call, "playground", {"is_gone": query.get("gone") is not None})
        flow = self.playground.find_flow(query.get("flow"))
        return self.render(call, "playground_flow", {"flow": describe_flow(flow)})

    async def act(self, call: Call, form: Parameters) -> Response:
        browser = check_form(call, form)
        flow = self.playground.find_flow(form.get("flow"))
        walk_id = encode_base64url(call.runtime.entropy.token_bytes(16))
        self.playground.walks.add(Walk(walk_id=walk_id, browser=browser.digest, flow=flow))
        return redirect(f"{call.base}/playground/walk?id={walk_id}")


class WalkPage(_Page):
    """One walk: what was sent so far, and the step that is next."""

    name = "playground_walk"
    path = "/playground/walk"

    async def show(self, call: Call, query: Parameters) -> Response:
        walk = self.playground.walks.find(query.get("id") or "", find_browser(call).digest)
        if walk is None:
            return redirect(f"{call.base}/playground?gone=1")
        self.playground.prepare(call, walk)
        demo = self.playground.demo
        context = describe_walk(walk, call.tenant.issuer, self.playground.build_material(call, walk))
        context["user"] = {"username": demo.username, "password": demo.password}
        return self.render(call, "playground_walk", context)

    async def act(self, call: Call, form: Parameters) -> Response:
        walk = self.playground.walks.find(form.get("id") or "", check_form(call, form).digest)
        if walk is None:
            return redirect(f"{call.base}/playground?gone=1")
        if not walk.is_over and form.get("position") == str(walk.position):
            await self._take_step(call, walk, form)
        return _return_to(call, walk)

    async def _take_step(self, call: Call, walk: Walk, form: Parameters) -> None:
        position, step = walk.position, walk.flow.steps[walk.position]
        self.playground.prepare(call, walk)
        request = walk.request
        if request is None or step.kind == "visit":
            return
        if step.kind == "errand":
            walk.record(Outcome(request=request, answer=Answer(status=0), surprise=None))
            return
        request = apply_changes(request, form)
        server, address = self.playground.server, call.request.address
        answer = await send(server, request, address)
        opaque = await introspect_tokens(server, self.playground.build_material(call, walk), answer, address)
        if walk.position == position:  # nobody pressed twice meanwhile
            surprise = step.find_surprise(answer)
            walk.record(Outcome(request=request, answer=answer, surprise=surprise, opaque=opaque))


class Callback(_Page):
    """Where the browser comes back to: the redirect_uri of the playground's clients.

    It is a client's, so what it believes is what a client may believe: an answer whose ``state`` this browser was
    given. The form of ``response_mode=form_post`` arrives here, too, which carries no token of our own forms.
    """

    name = "playground_callback"
    path = "/playground/callback"

    async def show(self, call: Call, query: Parameters) -> Response:
        if not query.values:
            return self.render(call, "playground_callback", {"is_unknown": False})
        return self._take(call, query.values, is_fragment=False)

    async def act(self, call: Call, form: Parameters) -> Response:
        pasted = form.get("fragment")
        if pasted is None:
            return self._take(call, form.values, is_fragment=False)
        fragment = pasted.partition("#")[2] if "#" in pasted else pasted
        return self._take(call, dict(parse_qsl(fragment, max_num_fields=64)), is_fragment=True)

    def _take(self, call: Call, parameters: Mapping[str, str], *, is_fragment: bool) -> Response:
        walk = self.playground.walks.find_waiting(parameters.get("state", ""), find_browser(call).digest)
        if walk is None:
            return self.render(call, "playground_callback", {"is_unknown": True}, status=400)
        self.playground.prepare(call, walk)
        answer = Answer(status=0, parameters=parameters, is_fragment=is_fragment)
        surprise = walk.flow.steps[walk.position].find_surprise(answer)
        if parameters.get("iss", call.tenant.issuer) != call.tenant.issuer:  # RFC 9207 §2.4
            surprise = "The answer comes from another issuer."
        if walk.request is not None:
            walk.record(Outcome(request=walk.request, answer=answer, surprise=surprise))
        return _return_to(call, walk)


class Decoder(_Page):
    """Takes a JWT apart. With script that happens in the browser; without, here, and nothing is kept."""

    name = "playground_decoder"
    path = "/playground/decode"

    async def show(self, call: Call, query: Parameters) -> Response:
        return self.render(call, "playground_decode", {"text": "", "token": None})

    async def act(self, call: Call, form: Parameters) -> Response:
        check_form(call, form)
        text = (form.get("jwt") or "")[:_LONGEST_JWT].strip()
        jwt = read_jwt(text)
        token = {"header": describe(jwt[0]), "claims": describe(jwt[1])} if jwt else None
        return self.render(call, "playground_decode", {"text": text, "token": token})


def _return_to(call: Call, walk: Walk) -> Response:
    """To the step that just came out, or to the one that did not."""
    step = walk.position + 1 if walk.failed is not None else walk.position
    return redirect(f"{call.base}/playground/walk?id={walk.walk_id}#step-{step}")


def build_playground() -> tuple[Playground, list[Endpoint]]:
    """The playground, closed, and its endpoints for ``create_server(extensions=…)``."""
    playground = Playground()
    pages = (Flows, WalkPage, Callback, Decoder)
    return playground, [page(playground) for page in pages]
