// oauth4webapi: every answer is parsed by its strict process…Response functions.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { finish, issuer, task, visit } from "./conversation.mjs";

const insecure = { [oauth.allowInsecureRequests]: true };
const { client_secret, redirect_uri, scope } = task;
const client = { client_id: task.client_id, id_token_signed_response_alg: task.alg, require_auth_time: true };
const methods = {
  none: oauth.None,
  client_secret_basic: oauth.ClientSecretBasic,
  client_secret_post: oauth.ClientSecretPost,
};
const authenticate = methods[task.token_endpoint_auth_method](client_secret);

// discovery, at both well-known places
const servers = [];
for (const algorithm of ["oidc", "oauth2"]) {
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
  servers.push(await oauth.processDiscoveryResponse(issuer, response));
}
assert.deepEqual(servers[0], servers[1]);
const as = servers[0];

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const nonce = oauth.generateRandomNonce();
const there = new URL(as.authorization_endpoint);
there.search = new URLSearchParams({
  client_id: client.client_id,
  redirect_uri,
  response_type: "code",
  scope,
  state,
  nonce,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});
const back = await visit(there);
const parameters = oauth.validateAuthResponse(as, client, back, state); // iss is required: the metadata promises it

const answer = await oauth.authorizationCodeGrantRequest(
  as, client, authenticate, parameters, redirect_uri, verifier, insecure,
);
const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, {
  expectedNonce: nonce,
  requireIdToken: true,
});
await oauth.validateApplicationLevelSignature(as, answer, insecure); // the ID token, by the JWK Set
const claims = oauth.getValidatedIdTokenClaims(tokens);

const userinfo = await oauth.processUserInfoResponse(
  as, client, claims.sub, await oauth.userInfoRequest(as, client, tokens.access_token, insecure),
);

const refresh = () => oauth.refreshTokenGrantRequest(as, client, authenticate, tokens.refresh_token, insecure);
const fresh = await oauth.processRefreshTokenResponse(as, client, await refresh());
assert.notEqual(fresh.access_token, tokens.access_token);

// an API that takes the access token for what RFC 9068 says it is
let jwt = null;
if (task.access_token_format === "jwt") {
  const request = new Request(task.audience, { headers: { authorization: `Bearer ${fresh.access_token}` } });
  jwt = await oauth.validateJwtAccessToken(as, request, task.audience, insecure);
  await assert.rejects(oauth.validateJwtAccessToken(as, request, "https://another.example", insecure), /aud/);
}

let introspection = null;
if (client_secret) {
  const response = await oauth.introspectionRequest(as, client, authenticate, fresh.access_token, insecure);
  introspection = await oauth.processIntrospectionResponse(as, client, response);
  assert.equal(introspection.active, true);
}

await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, client, authenticate, fresh.access_token, insecure),
);
await assert.rejects(oauth.userInfoRequest(as, client, fresh.access_token, insecure).then(
  (response) => oauth.processUserInfoResponse(as, client, claims.sub, response),
), (error) => {
  assert.ok(error instanceof oauth.WWWAuthenticateChallengeError);
  assert.equal(error.cause[0].scheme, "bearer");
  assert.equal(error.cause[0].parameters.error, "invalid_token");
  return true;
});

// the same code again: refused, and what came from it dies (RFC 6749 §4.1.2)
const replay = await oauth.authorizationCodeGrantRequest(
  as, client, authenticate, parameters, redirect_uri, verifier, insecure,
);
await assert.rejects(oauth.processAuthorizationCodeResponse(as, client, replay), { error: "invalid_grant" });
const late = await oauth.refreshTokenGrantRequest(as, client, authenticate, fresh.refresh_token, insecure);
await assert.rejects(oauth.processRefreshTokenResponse(as, client, late), { error: "invalid_grant" });

finish({ claims, userinfo, introspection, jwt, scope: tokens.scope });
