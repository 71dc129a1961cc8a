// "Sign in with …": a button for each identity provider, and what went wrong with it.

import { isAbort, messageOf } from "../api.js";
import { h, replace } from "../dom.js";
import { providers } from "../provider/providers.js";
import { button } from "./buttons.js";
import { icon } from "./icons.js";

/** @import { Provider } from "../provider/providers.js" */

/** @param {Provider} provider */
const another = ({ name }) => `Use another account${providers.length > 1 ? ` of ${name}` : ""}`;

/**
 * Make the buttons; null if this service has no provider that people sign in by.
 *
 * @param {object} options
 * @param {(provider: Provider) => Promise<unknown>} options.signIn
 * @param {((provider: Provider) => Promise<unknown>) | null} [options.asAnother] signs in by an account that is asked for
 * @param {string} [options.waiting] what to say meanwhile
 */
export function providerButtons({ signIn, asAnother = null, waiting = "" }) {
  if (providers.length === 0) return null;
  const status = h("div", { role: "status", class: "provider-status" });

  /**
   * @param {Provider} provider
   * @param {(provider: Provider) => Promise<unknown>} act
   */
  async function attempt(provider, act) {
    replace(status, waiting && h("p", { class: "muted" }, waiting));
    try {
      await act(provider);
    } catch (error) {
      if (isAbort(error)) return;
      replace(status, h("div", { class: "notice error" }, icon("warning"), h("p", {}, messageOf(error))));
    }
  }

  /**
   * Begin an attempt, and let another one begin meanwhile: nobody tells that its window was closed.
   *
   * @param {Provider} provider
   * @param {(provider: Provider) => Promise<unknown>} act
   */
  const attempting = (provider, act) => () => {
    attempt(provider, act);
  };

  const buttons = providers.map((provider) => [
    button(`Sign in with ${provider.name}`, attempting(provider, signIn), { kind: "primary" }),
    asAnother && button(another(provider), attempting(provider, asAnother)),
  ]);
  const element = h("div", { class: "providers" }, buttons, status);
  return { element, focus: () => element.querySelector("button")?.focus() };
}
