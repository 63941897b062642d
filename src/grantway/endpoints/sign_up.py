"""Registration of a new account by the person, where the operator allows it."""

from __future__ import annotations

from grantway.accounts import create_account
from grantway.browser import begin_session, check_form
from grantway.endpoints.dispatcher import redirect
from grantway.endpoints.presentation import render
from grantway.errors import Conflict, InvalidRequest, Unprocessable
from grantway.events import SubjectRegistered
from grantway.extension import Call, Endpoint, Login
from grantway.model import Subject
from grantway.protocol.message import Parameters, Response, parse_parameters


class SignUp(Endpoint):
    name = "sign_up"
    path = "/register"
    methods = ("GET", "POST")
    is_page = True

    async def handle(self, call: Call) -> Response:
        if not call.runtime.settings.interaction.registration:
            raise InvalidRequest("Registration is not open here.")
        query = parse_parameters(call.request.query)
        query.check_unique()
        interaction = query.get("interaction")
        if interaction is not None and not _is_identifier(interaction):
            raise InvalidRequest("The address of this page is damaged. Go back to the application and start again.")
        if call.request.method == "GET":
            return self._show(call, interaction)
        form = call.form()
        form.check_unique()
        check_form(call, form)
        await call.runtime.throttle.check_registration(call.tenant.tenant, call.request.address, call.now)
        try:
            subject = await _register(call, form)
        except Unprocessable as error:
            return self._show(call, interaction, form, {error.field: error.message})
        except Conflict:
            # telling is unavoidable where the name itself is chosen here; guesses at it are counted like log-ins
            return self._show(call, interaction, form, {"username": "This user name is taken."})
        login = Login(subject=subject, acr=call.runtime.settings.interaction.acr, amr=("pwd",))
        await begin_session(call, login, remember=False)
        return redirect(f"{call.base}/interaction?id={interaction}" if interaction else f"{call.base}/account")

    def _show(
        self,
        call: Call,
        interaction: str | None,
        form: Parameters | None = None,
        errors: dict[str, str] | None = None,
    ) -> Response:
        suffix = f"?interaction={interaction}" if interaction else ""
        login_url = f"{call.base}/interaction?id={interaction}" if suffix else f"{call.base}/login"
        context = {
            "values": {name: (form.get(name) or "") if form else "" for name in ("username", "email", "name")},
            "errors": errors or {},
            "requirements": call.runtime.passwords.describe_policy(),
            "login_url": login_url,
            "action": f"{call.base}/register{suffix}",
        }
        return render(call, "register", context, status=422 if errors else 200)


def _is_identifier(text: str) -> bool:
    return len(text) <= 64 and all(c.isascii() and (c.isalnum() or c in "-_") for c in text)


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
