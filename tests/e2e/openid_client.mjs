// openid-client as an application would use it.
import assert from "node:assert/strict";
import * as client from "openid-client";
import { finish, issuer, task, visit } from "./conversation.mjs";

const { client_id, client_secret, alg, redirect_uri, post_logout_redirect_uri, scope } = task;
const authentication = client_secret ? client.ClientSecretBasic(client_secret) : client.None();
const config = await client.discovery(
  issuer,
  client_id,
  { id_token_signed_response_alg: alg, redirect_uris: [redirect_uri] },
  authentication,
  { execute: [client.allowInsecureRequests], algorithm: task.discovery },
);
assert.equal(config.serverMetadata().supportsPKCE(), true);
client.enableNonRepudiationChecks(config); // checks the signature of the ID token, too

const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = client.randomNonce();
const there = client.buildAuthorizationUrl(config, {
  redirect_uri,
  scope,
  state,
  nonce,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  max_age: "3600",
});
const back = await visit(there);

// another issuer's name in the answer is noticed before the code goes anywhere (RFC 9207 §2.4)
const mixedUp = new URL(back);
mixedUp.searchParams.set("iss", "https://attacker.example");
const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: 3600 };
const names = (parameter) => (error) => error.cause.message.includes(`"${parameter}"`);
await assert.rejects(client.authorizationCodeGrant(config, mixedUp, checks), names("iss"));
const foreign = { ...checks, expectedState: "another" };
await assert.rejects(client.authorizationCodeGrant(config, back, foreign), names("state"));

const tokens = await client.authorizationCodeGrant(config, back, { ...checks, idTokenExpected: true });
const claims = tokens.claims();
assert.equal(tokens.token_type, "bearer");
assert.ok(tokens.expiresIn() > 0);

const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
const fresh = await client.refreshTokenGrant(config, tokens.refresh_token);
assert.notEqual(fresh.access_token, tokens.access_token);
assert.equal(fresh.claims().sub, claims.sub);
assert.equal(fresh.claims().auth_time, claims.auth_time);

let introspection = null;
if (client_secret) {
  introspection = await client.tokenIntrospection(config, fresh.access_token);
  assert.equal(introspection.active, true);
}
await client.tokenRevocation(config, fresh.refresh_token, { token_type_hint: "refresh_token" });
await assert.rejects(client.fetchUserInfo(config, fresh.access_token, claims.sub), (error) => {
  assert.equal(error.code, "OAUTH_WWW_AUTHENTICATE_CHALLENGE");
  assert.equal(error.cause[0].parameters.error, "invalid_token");
  return true;
});
await assert.rejects(client.refreshTokenGrant(config, fresh.refresh_token), { error: "invalid_grant" });

const logout = client.buildEndSessionUrl(config, {
  post_logout_redirect_uri,
  id_token_hint: fresh.id_token,
  state: "bye",
});
const left = await visit(logout);
finish({ claims, userinfo, introspection, left: left.href, scope: tokens.scope });
