"""The account page: where one is logged in, what has access, the password. Every change is a POST of its own."""

from __future__ import annotations

from abc import abstractmethod

from grantway.accounts import change_password, end_password_grants
from grantway.browser import begin_session, check_form, load_session
from grantway.endpoints.dispatcher import redirect
from grantway.endpoints.leaving import log_out, show_logged_out
from grantway.endpoints.presentation import ask_to_wait, describe_account, list_languages, render
from grantway.errors import Conflict, InvalidRequest, TooManyRequests, Unprocessable
from grantway.events import ConsentRevoked, PasswordChanged
from grantway.extension import Call, Endpoint, Login
from grantway.model import Session, Subject
from grantway.protocol.message import Parameters, Response
from grantway.scopes import load_descriptions

_MOST_SHOWN = 100


class Account(Endpoint):
    name = "account"
    path = "/account"
    methods = ("GET",)
    service = "account"
    is_page = True

    async def handle(self, call: Call) -> Response:
        session = await load_session(call)
        if session is None:
            return redirect(f"{call.base}/login")
        return await show_account(call, session)


async def show_account(
    call: Call, session: Session, *, message: str | None = None, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    """The page, as it is now."""
    store, tenant = call.runtime.store, call.tenant.tenant
    subject = await _load_subject(call, session)
    sessions = await store.list_sessions(tenant, subject.subject, now=call.now)
    granted = await store.list_authorizations(tenant, subject=subject.subject, limit=_MOST_SHOWN)
    describe = await load_descriptions(call, list_languages(call))
    by_client: dict[str, dict[str, object]] = {}
    for authorization in granted.items:
        client = await call.runtime.grid.client(tenant, authorization.client_id)
        entry = by_client.setdefault(
            authorization.client_id,
            {
                "client_id": authorization.client_id,
                "name": (client.client_name if client else "") or authorization.client_id,
                "logo_uri": client.logo_uri if client else None,
                "scope": [],
                "created_at": authorization.created_at,
            },
        )
        described = [describe(scope) for scope in authorization.scope]
        entry["scope"] = list(dict.fromkeys([*entry["scope"], *described]))  # type: ignore[misc]
        entry["created_at"] = min(int(str(entry["created_at"])), authorization.created_at)
    context = {
        "account": describe_account(subject),
        "sessions": [_describe_session(item, item.session_id == session.session_id) for item in sessions],
        "authorizations": list(by_client.values()),
        "message": message,
        "errors": errors or {},
        "requirements": call.runtime.passwords.describe_policy(),
    }
    return render(call, "account", context, status=status)


def _describe_session(session: Session, is_current: bool) -> dict[str, object]:
    return {
        "session_id": session.session_id,
        "is_current": is_current,
        "user_agent": session.user_agent,
        "address": session.address,
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "expires_at": session.expires_at,
    }


async def _load_subject(call: Call, session: Session) -> Subject:
    subject = await call.runtime.store.load_subject(call.tenant.tenant, session.subject)
    if subject is None:
        raise InvalidRequest("This account no longer exists.")
    return subject


class AccountChange(Endpoint):
    """A form of the account page: the session and the form are checked here, once for all of them."""

    methods = ("POST",)
    service = "account"
    is_page = True

    async def handle(self, call: Call) -> Response:
        session = await load_session(call)
        if session is None:
            return redirect(f"{call.base}/login")
        form = call.form()
        form.check_unique()
        check_form(call, form)
        return await self.change(call, session, form)

    @abstractmethod
    async def change(self, call: Call, session: Session, form: Parameters) -> Response: ...


class EndSessions(AccountChange):
    """Ends one of the person's own sessions, or all the others."""

    name = "account_sessions"
    path = "/account/sessions"

    async def change(self, call: Call, session: Session, form: Parameters) -> Response:
        store, tenant, until = call.runtime.store, call.tenant.tenant, call.keep_until
        if form.get("action") == "end_others":
            await store.end_sessions(tenant, session.subject, now=call.now, keep_until=until, keep=session.session_id)
            return await show_account(call, session, message="You are signed out everywhere else.")
        chosen = await store.load_session(tenant, form.get("session_id") or "")
        if chosen is None or chosen.subject != session.subject:
            raise InvalidRequest("There is no such session.")
        if chosen.session_id == session.session_id:
            return show_logged_out(call, await log_out(call, session), return_url=f"{call.tenant.issuer}/login")
        await store.end_session(tenant, chosen.session_id, now=call.now, keep_until=until)
        return await show_account(call, session, message="That session has ended.")


class RevokeClient(AccountChange):
    """Takes a client's access away: its tokens die and the remembered consent is forgotten."""

    name = "account_clients"
    path = "/account/clients"

    async def change(self, call: Call, session: Session, form: Parameters) -> Response:
        client_id = form.get("client_id")
        if client_id is None:
            raise InvalidRequest("No application was chosen.")
        await call.runtime.store.revoke_authorizations(
            call.tenant.tenant,
            now=call.now,
            keep_until=call.keep_until,
            subject=session.subject,
            client_id=client_id,
        )
        call.runtime.events.emit(
            ConsentRevoked(tenant=call.tenant.tenant, at=call.now, subject=session.subject, client_id=client_id)
        )
        return await show_account(call, session, message="Access was removed.")


class ChangePassword(AccountChange):
    """A new password, for whoever knows the old one. Every other session ends, and whatever an application got for the
    old password itself (RFC 6749 §4.3): who knew it had no session to end."""

    name = "account_password"
    path = "/account/password"

    async def change(self, call: Call, session: Session, form: Parameters) -> Response:
        runtime, tenant = call.runtime, call.tenant.tenant
        subject = await _load_subject(call, session)
        try:
            await runtime.throttle.check_login(tenant, subject.username_key, call.request.address, call.now)
            if not await runtime.passwords.verify(form.get("current_password") or "", subject.password):
                errors = {"current_password": "That is not your current password."}
                return await show_account(call, session, errors=errors, status=422)
            subject = await change_password(runtime, subject, form.get("new_password") or "")
        except Unprocessable as error:
            return await show_account(call, session, errors={"new_password": error.message}, status=422)
        except Conflict:
            errors = {"new_password": "Your account changed meanwhile. Try again."}
            return await show_account(call, session, errors=errors, status=409)
        except TooManyRequests as error:
            errors = {"current_password": error.description}
            return ask_to_wait(await show_account(call, session, errors=errors, status=429), error)
        await runtime.throttle.forgive_login(tenant, subject.username_key, call.request.address)
        await runtime.store.end_sessions(
            tenant, subject.subject, now=call.now, keep_until=call.keep_until, keep=session.session_id
        )
        await end_password_grants(runtime, subject, now=call.now, keep_until=call.keep_until)
        renewed = await begin_session(
            call,
            Login(subject=subject, acr=session.acr or runtime.settings.interaction.acr, amr=session.amr),
            remember=session.remembered,
        )
        runtime.events.emit(PasswordChanged(tenant=tenant, at=call.now, subject=subject.subject))
        return await show_account(call, renewed, message="Your password was changed.")


class SignOut(AccountChange):
    """Logs out from the account page."""

    name = "account_logout"
    path = "/account/logout"

    async def change(self, call: Call, session: Session, form: Parameters) -> Response:
        return show_logged_out(call, await log_out(call, session))
