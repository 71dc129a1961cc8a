// Before something is destroyed: exactly what will happen, in words.

import { h } from "../dom.js";
import { openDialog } from "./dialog.js";
import { form } from "./form.js";

/**
 * Ask, and do it.
 *
 * @param consequences a list of sentences: who loses what
 * @param run does it; what it throws is shown, and the dialog stays
 * @returns {Promise<boolean>} whether it was done
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
  const asking = form({
    fields,
    submit,
    danger,
    intro: [
      intro && h("p", {}, intro),
      consequences.length > 0 &&
        h(
          "ul",
          { class: "consequences" },
          consequences.map((text) => h("li", {}, text)),
        ),
    ],
    cancel: () => dialog.close(false),
    send: async (values) => {
      await run(values);
      dialog.close(true);
    },
    blame,
  });
  const dialog = openDialog({ title, content: asking.element });
  asking.element.querySelector("footer button")?.focus(); // the harmless one
  return (await dialog.closed) === true;
}
