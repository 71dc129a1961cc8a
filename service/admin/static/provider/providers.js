// The identity providers that people may sign in by, as the shell says, and what these publish of themselves.

/**
 * An identity provider, as the service's settings have it.
 *
 * @typedef {object} Provider
 * @property {string} issuer
 * @property {string} name what people call it
 * @property {string} client_id the client that this page is there
 * @property {string} scope
 */

/**
 * What a provider publishes, as far as it is needed here.
 *
 * @typedef {object} Metadata
 * @property {string} issuer
 * @property {string} authorization_endpoint
 * @property {string} token_endpoint
 * @property {string} [end_session_endpoint]
 * @property {boolean} [authorization_response_iss_parameter_supported]
 */

const TIMEOUT = 10_000; // milliseconds

/** The provider did not do what it was asked for; the message says why, to the user. */
export class ProviderError extends Error {
  /**
   * @param {string} message
   * @param {string} [code] the provider's own, by RFC 6749 or OpenID Connect
   */
  constructor(message, code = "") {
    super(message);
    this.code = code;
  }
}

// In an attribute, as the page's policy lets no script stand in the shell.
const said = document.querySelector('meta[name="identity-providers"]')?.getAttribute("content");

/** @type {Provider[]} */
export const providers = JSON.parse(said ?? "[]");

/**
 * Find a provider that is still one of this service.
 *
 * @param {string | null | undefined} issuer
 */
export const findProvider = (issuer) => providers.find((each) => each.issuer === issuer) ?? null;

/** @type {Map<string, Metadata>} */
const known = new Map();

/**
 * Return what a provider publishes: of the same issuer, and with its tokens from there too, as the policy of this page
 * lets it ask nobody else.
 *
 * @param {Provider} provider
 * @returns {Promise<Metadata>}
 */
export async function metadataOf(provider) {
  const found = known.get(provider.issuer) ?? (await fetchMetadata(provider));
  known.set(provider.issuer, found);
  return found;
}

/** @param {Provider} provider */
async function fetchMetadata({ issuer, name }) {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const { status, body } = await ask(name, address, {});
  const { origin, protocol } = new URL(issuer);
  if (status !== 200 || body.issuer !== issuer || originOf(body.token_endpoint) !== origin) {
    throw new ProviderError(`${name} does not say of itself what is needed to sign in. Tell an administrator.`);
  }
  for (const place of [body.authorization_endpoint, body.end_session_endpoint ?? issuer]) {
    const scheme = URL.canParse(place) && new URL(place).protocol;
    if (scheme !== "https:" && scheme !== protocol)
      throw new ProviderError(`${name} names an unsafe address of itself.`);
  }
  return body;
}

/** @param {unknown} address */
const originOf = (address) =>
  typeof address === "string" && URL.canParse(address) ? new URL(address).origin : undefined;

/**
 * Ask a provider, and return the object of JSON that it answers.
 *
 * @param {string} name
 * @param {string} address
 * @param {RequestInit} options
 * @returns {Promise<{status: number, body: any}>}
 */
export async function ask(name, address, options) {
  try {
    const response = await fetch(address, {
      ...options,
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
    return { status: response.status, body: (await response.json()) ?? {} };
  } catch {
    // What failed is told to the console alone: browsers don't say whether it is the network, CORS or JSON.
    throw new ProviderError(`${name} can't be reached, or lets this page ask it nothing. Try again, or use a token.`);
  }
}
