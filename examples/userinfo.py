"""UserInfo: claims about the person who signed in, as far as the scope goes (OpenID Connect Core §5.3).

It prints:

    Open …
    sub                     …
    email                   demo@example.com
    email_verified          True
    without a token         401 Bearer realm="…", error="invalid_token"…
"""

import httpx2
from authorization_code import read_claims, sign_in
from demo import ISSUER, show

tokens, _ = sign_in("openid email")
headers = {"authorization": f"Bearer {tokens['access_token']}"}
claims = httpx2.get(f"{ISSUER}/userinfo", headers=headers).raise_for_status().json()
if claims["sub"] != read_claims(tokens["id_token"])["sub"]:  # §5.3.2
    raise SystemExit("These claims are about somebody else.")
for name, value in claims.items():
    show(name, value)

refused = httpx2.get(f"{ISSUER}/userinfo")
show("without a token", f"{refused.status_code} {refused.headers['www-authenticate']}")
