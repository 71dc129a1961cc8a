// Confirmation before something is destroyed: exactly what will happen.

import { focusFirst, h } from "../dom.js";
import { openDialog } from "./dialog.js";
import { form } from "./form.js";

/** @import { Child } from "../dom.js" */
/** @import { Dialog } from "./dialog.js" */
/** @import { Field } from "./fields.js" */
/** @import { Blame } from "./form.js" */

/**
 * Ask, and do it; return whether it was done.
 *
 * @param {object} options
 * @param {string} options.title
 * @param {Child} [options.intro]
 * @param {Child[]} [options.consequences] a list of sentences: who loses what
 * @param {string} options.submit
 * @param {boolean} [options.danger]
 * @param {Field[]} [options.fields]
 * @param {Blame} [options.blame]
 * @param {(values: Record<string, unknown>) => Promise<unknown>} options.run does it; what it throws is shown, and the
 *   dialog stays
 */
export async function confirmDialog({
  title,
  intro,
  consequences = [],
  submit,
  danger = true,
  fields = [],
  blame = {},
  run,
}) {
  const listed = consequences.filter(Boolean);
  const asking = form({
    fields,
    submit,
    danger,
    intro: [
      intro && h("p", {}, intro),
      listed.length > 0 &&
        h(
          "ul",
          { class: "consequences" },
          listed.map((text) => h("li", {}, text)),
        ),
    ],
    cancel: () => dialog.close(false),
    send: async (values) => {
      await run(values);
      dialog.close(true);
    },
    blame,
  });
  /** @type {Dialog<boolean>} */
  const dialog = openDialog({ title, content: asking.element });
  focusFirst(asking.element, "footer button"); // the harmless one
  return (await dialog.closed) === true;
}
