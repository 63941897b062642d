// openid-client: one flow a run, named by task.flow.
import * as client from "openid-client";
import { finish, issuer, readKey, task, visit } from "./conversation.mjs";

const methods = {
  none: client.None,
  client_secret_basic: client.ClientSecretBasic,
  client_secret_post: client.ClientSecretPost,
  client_secret_jwt: client.ClientSecretJwt,
  private_key_jwt: client.PrivateKeyJwt,
};

let config = await client.discovery(
  issuer,
  task.client_id,
  { id_token_signed_response_alg: task.alg },
  methods[task.token_endpoint_auth_method](task.client_secret ?? (await readKey())),
  { execute: [client.allowInsecureRequests] },
);

const flows = {
  client_credentials: () => client.clientCredentialsGrant(config, { scope: task.scope }),

  generic: () => client.genericGrantRequest(config, task.grant_type, task.parameters),

  async device() {
    const begun = await client.initiateDeviceAuthorization(config, { scope: task.scope });
    const polls = client.pollDeviceAuthorizationGrant(config, begun);
    await visit(begun.verification_uri_complete);
    return (await polls).claims();
  },

  async implicit() {
    client.useIdTokenResponseType(config);
    const { back, state, nonce } = await askPerson();
    return client.implicitAuthentication(config, back, nonce, { expectedState: state });
  },

  async hybrid() {
    client.useCodeIdTokenResponseType(config);
    return redeem();
  },

  async registration() {
    config = await client.dynamicClientRegistration(issuer, task.metadata, client.ClientSecretBasic(), {
      execute: [client.allowInsecureRequests],
      initialAccessToken: task.initial_access_token,
    });
    return { registered: config.clientMetadata(), claims: await redeem() };
  },
};

async function redeem() {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const code_challenge = await client.calculatePKCECodeChallenge(pkceCodeVerifier);
  const { back, state, nonce } = await askPerson({ code_challenge, code_challenge_method: "S256" });
  const checks = { pkceCodeVerifier, expectedState: state, expectedNonce: nonce };
  return (await client.authorizationCodeGrant(config, back, checks)).claims();
}

async function askPerson(parameters = {}) {
  const state = client.randomState();
  const nonce = client.randomNonce();
  const { redirect_uri, scope } = task;
  const there = client.buildAuthorizationUrl(config, { redirect_uri, scope, state, nonce, ...parameters });
  return { back: await visit(there), state, nonce };
}

finish(await flows[task.flow]());
