// oauth4webapi: one flow a run, named by task.flow.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import * as oauth from "oauth4webapi";
import { finish, issuer, readKey, task, visit } from "./conversation.mjs";

const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id: task.client_id, id_token_signed_response_alg: task.alg };
const methods = {
  none: oauth.None,
  client_secret_basic: oauth.ClientSecretBasic,
  client_secret_post: oauth.ClientSecretPost,
  client_secret_jwt: oauth.ClientSecretJwt,
  private_key_jwt: oauth.PrivateKeyJwt,
};
const authenticate = methods[task.token_endpoint_auth_method](task.client_secret ?? (await readKey()));
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));

const flows = {
  async client_credentials() {
    const answer = await oauth.clientCredentialsGrantRequest(as, client, authenticate, { scope: task.scope }, insecure);
    return oauth.processClientCredentialsResponse(as, client, answer);
  },

  async generic() {
    const answer = await oauth.genericTokenEndpointRequest(
      as, client, authenticate, task.grant_type, task.parameters, insecure,
    );
    return oauth.processGenericTokenEndpointResponse(as, client, answer);
  },

  async device() {
    const parameters = { scope: task.scope };
    const asked = await oauth.deviceAuthorizationRequest(as, client, authenticate, parameters, insecure);
    const begun = await oauth.processDeviceAuthorizationResponse(as, client, asked);
    const poll = async () =>
      oauth.processDeviceCodeResponse(
        as, client, await oauth.deviceCodeGrantRequest(as, client, authenticate, begun.device_code, insecure),
      );
    await assert.rejects(poll(), { error: "authorization_pending" });
    await visit(begun.verification_uri_complete);
    await setTimeout(begun.interval * 1000);
    return oauth.getValidatedIdTokenClaims(await poll());
  },

  async hybrid() {
    const asked = await askPerson(client, "code id_token");
    const { back, state, nonce } = asked;
    // the ID token's c_hash is that of this code and no other (OpenID Connect Core §3.3.2.11)
    const forged = new URL(back);
    forged.hash = forged.hash.replace("code=", "code=A");
    const validate = (url) =>
      oauth.validateCodeIdTokenResponse(as, client, url, nonce, state, oauth.skipAuthTimeCheck, insecure);
    await assert.rejects(validate(forged), /c_hash/);
    return redeem(client, authenticate, await validate(back), asked);
  },

  async registration() {
    const options = { initialAccessToken: task.initial_access_token, ...insecure };
    const answer = await oauth.dynamicClientRegistrationRequest(as, task.metadata, options);
    const registered = await oauth.processDynamicClientRegistrationResponse(answer);
    const proof = methods[registered.token_endpoint_auth_method](registered.client_secret);
    const asked = await askPerson(registered, "code");
    const parameters = oauth.validateAuthResponse(as, registered, asked.back, asked.state);
    return { registered, claims: await redeem(registered, proof, parameters, asked) };
  },
};

async function askPerson({ client_id }, response_type) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const there = new URL(as.authorization_endpoint);
  there.search = new URLSearchParams({
    client_id,
    redirect_uri: task.redirect_uri,
    response_type,
    scope: task.scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  return { back: await visit(there), verifier, state, nonce };
}

async function redeem(who, proof, parameters, { verifier, nonce }) {
  const answer = await oauth.authorizationCodeGrantRequest(
    as, who, proof, parameters, task.redirect_uri, verifier, insecure,
  );
  const checks = { expectedNonce: nonce, requireIdToken: true };
  return oauth.getValidatedIdTokenClaims(await oauth.processAuthorizationCodeResponse(as, who, answer, checks));
}

finish(await flows[task.flow]());
