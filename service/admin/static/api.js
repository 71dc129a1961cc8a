// The public API, and nothing but it: this page has no rules of its own.

import { forget, session } from "./session.js";

const ANSWER_WITHIN = 30_000; // milliseconds, longer than the service itself takes before it gives up

/** An answer that is a failure, in the API's own words. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body.msg);
    this.status = status;
    this.code = body.code;
    this.requestId = body.request_id;
    /** Reasons by field. */
    this.details = body.details ?? {};
  }
}

/** No answer came at all. */
export class NoAnswer extends Error {
  constructor(method) {
    super(
      method === "GET"
        ? "The service can't be reached. Check the connection, then try again."
        : "No answer came from the service, so it is not certain whether this was done. Nothing you typed is lost.",
    );
  }
}

/** Somebody has to sign in first. */
export class SignedOut extends Error {}

/**
 * Call the API.
 *
 * A token that is refused is forgotten at once, and another asked for over whatever is on the screen. The call then
 * goes on by itself, except that nothing is changed in the name of another user than the one who asked for it.
 *
 * @returns {Promise<{body: object, tag: string | null}>} the answer, and its ETag
 */
export async function call(method, path, options = {}) {
  const token = session.token;
  const asker = session.me?.username;
  if (token) {
    const answer = await send(method, path, { ...options, token });
    if (answer.status !== 401) return read(answer);
    if (session.token === token) forget();
  }
  if (!session.token) await session.renew();
  if (method !== "GET" && asker !== session.me.username) {
    throw new SignedOut(`You are now signed in as ${session.me.username}. Check what you typed, and save it again.`);
  }
  return call(method, path, options);
}

/** Who a token belongs to, before it is used for anything else. */
export async function whoIs(token) {
  const { body } = read(await send("GET", "/users/me", { token }));
  return body.user;
}

async function send(method, path, { token, query = {}, body, ifMatch, ifNoneMatch, signal }) {
  const address = new URL(`/api/v1${path}`, location.origin);
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") address.searchParams.set(key, value);
  }
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), ANSWER_WITHIN);
  const headers = { Authorization: `Bearer ${token}` };
  if (ifMatch) headers["If-Match"] = ifMatch;
  if (ifNoneMatch) headers["If-None-Match"] = ifNoneMatch;
  try {
    const response = await fetch(address, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal,
      credentials: "omit",
      redirect: "error",
      cache: "no-store", // nothing of what is read stays behind in the browser's cache
    });
    return { status: response.status, tag: response.headers.get("ETag"), body: await json(response) };
  } catch (error) {
    if (error.name === "AbortError" && !deadline.signal.aborted) throw error;
    throw new NoAnswer(method);
  } finally {
    clearTimeout(timer);
  }
}

/** The body; or what says as much where a proxy answered in the place of the service. */
async function json(response) {
  try {
    return JSON.parse(await response.text());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { msg: `The answer was not the service's own (status ${response.status}). Try again.`, code: "UNKNOWN" };
  }
}

function read({ status, tag, body }) {
  if (status >= 200 && status < 300 && body.status === "OK") return { body, tag };
  throw new ApiError(status, body);
}

export const get = async (path, query, signal) => (await call("GET", path, { query, signal })).body;
export const post = async (path, body, options) => (await call("POST", path, { ...options, body })).body;
export const put = async (path, body, options) => (await call("PUT", path, { ...options, body })).body;
export const remove = async (path, options) => (await call("DELETE", path, options)).body;

/** A path whose values are each one segment, whatever is in them. */
export function path(strings, ...values) {
  return strings.reduce((whole, text, index) => whole + encodeURIComponent(values[index - 1]) + text);
}
