"""Signing in to the account page itself, without any client waiting."""

from __future__ import annotations

from grantway.browser import begin_session, check_form, load_session
from grantway.endpoints.dispatcher import redirect
from grantway.endpoints.interaction import WRONG_CREDENTIALS
from grantway.endpoints.presentation import ask_to_wait, render
from grantway.errors import TooManyRequests
from grantway.extension import Call, Endpoint
from grantway.protocol.message import Response


class SignIn(Endpoint):
    name = "sign_in"
    path = "/login"
    methods = ("GET", "POST")
    service = "authorize"
    is_page = True

    async def handle(self, call: Call) -> Response:
        if call.request.method == "GET":
            if await load_session(call) is not None:
                return redirect(f"{call.base}/account")
            return self._show(call)
        form = call.form()
        form.check_unique()
        check_form(call, form)
        username = form.get("username") or ""
        try:
            login = await call.runtime.extensions.authenticators["password"].authenticate(call, form)
        except TooManyRequests as error:
            return ask_to_wait(self._show(call, username, error.description, 429), error)
        if login is None:
            return self._show(call, username, WRONG_CREDENTIALS, 401)
        await begin_session(call, login, remember=form.get("remember") == "1")
        return redirect(f"{call.base}/account")

    def _show(self, call: Call, username: str = "", error: str | None = None, status: int = 200) -> Response:
        context = {
            "client": None,
            "username": username,
            "can_register": call.runtime.settings.interaction.registration,
            "register_url": f"{call.base}/register",
            "cancel": False,
            "action": f"{call.base}/login",
            "error": error,
        }
        return render(call, "login", context, status=status)
