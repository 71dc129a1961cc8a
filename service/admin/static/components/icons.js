// Small drawings beside words; they tell nothing that the words do not.

import { svg } from "../dom.js";

/** @typedef {keyof typeof PATHS} IconName */

const PATHS = {
  pipeline: ["M4 6h6a3 3 0 0 1 3 3v6a3 3 0 0 0 3 3h4", "M17 15l3 3-3 3"],
  job: ["M6 3h8l4 4v14H6z", "M14 3v4h4", "M9 12h6", "M9 16h6"],
  user: ["M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z", "M4 20c1-4 4-6 8-6s7 2 8 6"],
  group: [
    "M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
    "M3 19c.6-3 3-5 6-5s5.4 2 6 5",
    "M16 6a3 3 0 0 1 0 5.5",
    "M18 14.5c1.6.7 2.7 2.3 3 4.5",
  ],
  token: ["M14 14a5 5 0 1 0-4.5-2.9L4 16.6V20h3.4v-2.3h2.3v-2.3z", "M15.5 8.5h.01"],
  audit: ["M12 8v4l3 2", "M4 12a8 8 0 1 1 2.5 5.8", "M4 20v-4h4"],
  copy: ["M9 9h11v11H9z", "M5 15H4V4h11v1"],
  check: ["M5 13l4 4L19 7"],
  up: ["M12 19V5", "M6 11l6-6 6 6"],
  down: ["M12 5v14", "M6 13l6 6 6-6"],
  order: ["M8 10l4-4 4 4", "M8 14l4 4 4-4"],
  plus: ["M12 5v14", "M5 12h14"],
  edit: ["M4 20l1-4L16 5l3 3L8 19z", "M14 7l3 3"],
  trash: ["M5 7h14", "M9 7V4h6v3", "M7 7l1 13h8l1-13"],
  search: ["M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14z", "M16 16l4 4"],
  menu: ["M4 7h16", "M4 12h16", "M4 17h16"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  warning: ["M12 4l9 16H3z", "M12 10v4", "M12 17h.01"],
  download: ["M12 4v11", "M7 11l5 5l5-5", "M5 20h14"],
  overview: ["M4 4h7v9H4z", "M13 4h7v5h-7z", "M13 11h7v9h-7z", "M4 15h7v5H4z"],
  keys: ["M3 7h18v11H3z", "M7 11h.01", "M11 11h.01", "M15 11h.01", "M8 15h8"],
  signout: ["M14 4h5v16h-5", "M10 8l-4 4 4 4", "M6 12h9"],
};

/** @param {IconName} name */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    PATHS[name].map((d) => svg("path", { d })),
  );
}
