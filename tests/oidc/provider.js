// An OpenID provider for tests: whoever types a name is that person, by any password.
//
// Arguments: the addresses that the admin page comes back to. It prints its issuer once it listens, and ends with its
// standard input.

import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const AUDIENCE = "flow-pipelines";
const pages = process.argv.slice(2);

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "admin-page",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        redirect_uris: pages,
        post_logout_redirect_uris: pages,
      },
      {
        client_id: "command-line",
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        redirect_uris: ["http://127.0.0.1/signed-in"],
      },
    ],
    features: {
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => `${issuer}/${AUDIENCE}`,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: "",
          audience: AUDIENCE,
          accessTokenFormat: "jwt",
          accessTokenTTL: Number(process.env.ACCESS_TOKEN_SECONDS ?? 300),
        }),
      },
    },
    clientBasedCORS: () => true,
    cookies: { keys: ["of tests"] },
    extraTokenClaims: (_, token) => ({ preferred_username: token.accountId }),
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    issueRefreshToken: () => true,
    // Nobody is asked for consent: an administrator has given it for all.
    loadExistingGrant: async (context) => {
      const { client, session, params } = context.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope("openid profile");
      if (params.resource || true) grant.addResourceScope(`${issuer}/${AUDIENCE}`, "openid profile");
      await grant.save();
      return grant;
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: { AccessToken: 300, IdToken: 3600, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600 },
  });
  server.on("request", provider.callback());
  process.stdout.write(`${issuer}\n`);
});

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
