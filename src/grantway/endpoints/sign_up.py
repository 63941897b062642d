"""Registration of a new account by the person, where the operator allows it."""

from __future__ import annotations

from grantway.accounts import create_account
from grantway.browser import begin_session, check_form
from grantway.endpoints.dispatcher import Flow, redirect
from grantway.endpoints.interaction import load_interaction_flow, proceed_authenticated
from grantway.endpoints.presentation import describe_client, find_form_action, render
from grantway.errors import Conflict, InvalidRequest, Unprocessable
from grantway.events import SubjectRegistered
from grantway.extension import Call, Endpoint, Login
from grantway.model import Subject
from grantway.protocol.message import Parameters, Response, parse_parameters


class SignUp(Endpoint):
    name = "sign_up"
    path = "/register"
    methods = ("GET", "POST")
    service = "authorize"
    is_page = True

    async def handle(self, call: Call) -> Response:
        if not call.runtime.settings.interaction.registration:
            raise InvalidRequest("Registration is not open here.")
        query = parse_parameters(call.request.query)
        query.check_unique()
        flow = await load_interaction_flow(call) if query.has("interaction") else None
        if call.request.method == "GET":
            return self._show(call, flow)
        form = call.form()
        form.check_unique()
        check_form(call, form)
        await call.runtime.throttle.check_address(call.tenant.tenant, "register", call.request.address, call.now)
        try:
            subject = await _register(call, form)
        except Unprocessable as error:
            return self._show(call, flow, form, {error.field: error.message})
        except Conflict:
            # telling is unavoidable where the name itself is chosen here; guesses at it are counted like log-ins
            return self._show(call, flow, form, {"username": "This username is taken."})
        login = Login(subject=subject, acr=call.runtime.settings.interaction.acr, amr=("pwd",))
        session = await begin_session(call, login, remember=False)
        if flow is not None:
            return await proceed_authenticated(call, flow, session)
        return redirect(f"{call.base}/account")

    def _show(
        self,
        call: Call,
        flow: Flow | None,
        form: Parameters | None = None,
        errors: dict[str, str] | None = None,
    ) -> Response:
        suffix, login_url, client, form_action = "", f"{call.base}/login", None, None
        if flow is not None and flow.interaction is not None:
            identifier = flow.interaction.interaction_id
            suffix, login_url = f"?interaction={identifier}", f"{call.base}/interaction?id={identifier}"
            client, form_action = describe_client(flow.client), find_form_action(flow.request)
        context = {
            "client": client,
            "values": {name: (form.get(name) or "") if form else "" for name in ("username", "email", "name")},
            "errors": errors or {},
            "requirements": call.runtime.passwords.describe_policy(),
            "login_url": login_url,
            "action": f"{call.base}/register{suffix}",
        }
        return render(
            call,
            "register",
            context,
            status=422 if errors else 200,
            form_action=form_action,
            locales=flow.request.ui_locales if flow is not None else (),
        )


async def _register(call: Call, form: Parameters) -> Subject:
    """Creates the account. An address somebody typed is not a verified one."""
    claims: dict[str, object] = {}
    email, name = (form.get("email") or "").strip(), (form.get("name") or "").strip()
    if email:
        if len(email) > 254 or email.count("@") != 1 or email[0] == "@" or email[-1] == "@" or " " in email:
            raise Unprocessable("email", "This is not an e-mail address.")
        claims |= {"email": email, "email_verified": False}
    if len(name) > 128:
        raise Unprocessable("name", "Use at most 128 characters.")
    if name:
        claims["name"] = name
    subject = await create_account(
        call.runtime,
        call.tenant.tenant,
        username=form.get("username") or "",
        password=form.get("password") or "",
        claims=claims,
    )
    call.runtime.events.emit(SubjectRegistered(tenant=call.tenant.tenant, at=call.now, subject=subject.subject))
    return subject
