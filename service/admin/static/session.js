// Who is signed in.
//
// The token is kept in sessionStorage. Pages of other origins can't read it there, and unlike a cookie no browser sends
// it by itself, so no other page can act with it. Unlike localStorage it belongs to this tab and ends with it, and
// unlike a variable it outlives a reload. What could read it is a script of this very origin: the policy of this page
// admits only files of its own and no text as script, and the service serves no other script.

const KEY = "flow-pipelines.token";

const storage = available();

/** The tab's storage; null where the browser is told to keep nothing, and then a reload signs out. */
function available() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

export const session = {
  token: storage?.getItem(KEY) ?? null,
  /** The caller as /users/me tells; null until known. */
  me: null,
  /** Asks for another token after the last one was refused; rejects if none is given. Set by app.js. */
  renew: () => Promise.reject(new Error("Nobody can be asked.")),
};

/** From now on, this token is used. */
export function keep(token, me) {
  session.token = token;
  session.me = me;
  storage?.setItem(KEY, token);
}

/** The token is gone, here and in the browser's storage. */
export function forget() {
  session.token = null;
  storage?.removeItem(KEY);
}
