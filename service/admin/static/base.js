// Where this page and the API are: as this module was loaded, whatever path a proxy serves the service below.

/** The path of the page, without a slash at its end: "/admin", or "/flows/admin" below the path /flows. */
export const BASE = new URL("../..", import.meta.url).pathname.slice(0, -1);

/** The address of the API. */
export const API = new URL("../../../api/v1", import.meta.url).href;
