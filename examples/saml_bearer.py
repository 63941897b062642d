"""SAML 2.0 bearer: a partner's SAML assertion about a person is traded for an access token (RFC 7522 §2.1).

It prints:

    access_token            gwat_…
    token_type              Bearer
    expires_in              3600
    scope                   read
    the same one again      400 invalid_grant
    another audience        400 invalid_grant
    another name inside     400 invalid_grant
"""

import base64
import time
import uuid

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from demo import ISSUER, load_credentials, load_secret, show
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, SignatureMethod
from signxml.signer import XMLSigner

CLIENT_ID = "demo-saml"
PARTNER = "https://partner.example"
TOKEN_ENDPOINT = f"{ISSUER}/oauth2/token"

# Who signed in, for which server (Audience), to be brought where (Recipient), until when; the ID makes it good once.
TEMPLATE = """\
<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="{identifier}" Version="2.0" IssueInstant="{now}">
  <Issuer>{issuer}</Issuer>
  <Subject>
    <NameID>{subject}</NameID>
    <SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
      <SubjectConfirmationData Recipient="{recipient}" NotOnOrAfter="{end}"/>
    </SubjectConfirmation>
  </Subject>
  <Conditions NotBefore="{now}" NotOnOrAfter="{end}">
    <AudienceRestriction><Audience>{audience}</Audience></AudienceRestriction>
  </Conditions>
</Assertion>"""


def sign_assertion(audience: str = ISSUER) -> bytes:
    """What the partner's identity provider does: an enveloped signature over the whole assertion."""
    now = time.time()
    start, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (now, now + 60))
    assertion = TEMPLATE.format(
        identifier=f"_{uuid.uuid4()}",
        issuer=PARTNER,
        subject="demo",
        recipient=TOKEN_ENDPOINT,
        audience=audience,
        now=start,
        end=end,
    )
    credentials = load_credentials()
    number = base64.urlsafe_b64decode(credentials["keys"][PARTNER]["d"] + "==")
    signer = XMLSigner(
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    root = etree.fromstring(assertion)
    signed = signer.sign(
        root,
        key=ec.derive_private_key(int.from_bytes(number), ec.SECP256R1()),
        cert=credentials["certificates"][PARTNER],
        reference_uri=root.get("ID"),
        id_attribute="ID",
    )
    return etree.tostring(signed)


def ask_for_token(assertion: bytes) -> httpx2.Response:
    """The assertion travels in base64url, without padding (§2.1)."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "assertion": base64.urlsafe_b64encode(assertion).decode().rstrip("="),
    }
    return httpx2.post(TOKEN_ENDPOINT, auth=(CLIENT_ID, load_secret(CLIENT_ID)), data=form)


def show_refusal(name: str, answer: httpx2.Response) -> None:
    show(name, f"{answer.status_code} {answer.json()['error']}")


assertion = sign_assertion()
answer = ask_for_token(assertion)
answer.raise_for_status()
for name, value in answer.json().items():
    show(name, value)

show_refusal("the same one again", ask_for_token(assertion))
show_refusal("another audience", ask_for_token(sign_assertion("https://other.example")))
show_refusal("another name inside", ask_for_token(sign_assertion().replace(b">demo<", b">root<")))
