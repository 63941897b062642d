"""User name and password of the built-in user store."""

from __future__ import annotations

from grantway.accounts import normalise_username
from grantway.browser import read_device
from grantway.events import LoginFailed
from grantway.extension import Authenticator, Call, Login
from grantway.protocol.message import Parameters


class PasswordAuthenticator(Authenticator):
    name = "password"
    spec = "NIST SP 800-63B §5.1.1"
    parameters = ("username", "password")

    async def authenticate(self, call: Call, form: Parameters) -> Login | None:
        """Counts the guess first, hashes in any case, and says no more than yes or no (OWASP ASVS 5.0 6.3.8)."""
        runtime, tenant = call.runtime, call.tenant.tenant
        username, password = form.get("username") or "", form.get("password") or ""
        key = normalise_username(username[:512])
        device = read_device(call, key)
        await runtime.throttle.check_login(tenant, key, call.request.address, call.now, device=device)
        is_possible = len(username) <= 512 and 0 < len(key) <= 255  # cut to size it would be another's name
        subject = await runtime.store.load_subject_by_username(tenant, key) if is_possible else None
        is_correct = await runtime.passwords.verify(password, subject.password if subject else None)
        if subject is None or not is_correct or not subject.enabled:
            reason = "unknown user" if subject is None else "wrong password" if not is_correct else "disabled"
            known = key if subject is not None else ""  # people type passwords into the wrong field: it is not kept
            runtime.events.emit(
                LoginFailed(tenant=tenant, at=call.now, username=known, reason=reason, address=call.request.address)
            )
            return None
        await runtime.throttle.forgive_login(tenant, key, call.request.address, device=device)
        return Login(subject=subject, acr=runtime.settings.interaction.acr, amr=("pwd",))
