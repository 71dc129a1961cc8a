// Builds elements. Texts only ever become text nodes: nothing in this page parses HTML, and its policy forbids it.

/**
 * What can stand in an element: texts, elements, and lists of them; null and false are nothing.
 *
 * @typedef {Node | string | null | undefined | false | Child[]} Child
 */

/**
 * Listeners by the name of their event.
 *
 * @typedef {{[Name in keyof HTMLElementEventMap as `on${Name}`]?: ((event: HTMLElementEventMap[Name]) => unknown) | null}} Listeners
 */

/**
 * Attributes that begin with "on" are listeners, false and null ones are left out, true ones are empty.
 *
 * @typedef {Listeners & {[name: string]: unknown}} Attributes
 */

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * Make an element of SVG.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/**
 * @template {Element} Made
 * @param {Made} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) set(element, name, value);
  }
  add(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {{}} value
 */
function set(element, name, value) {
  if (typeof value === "function") element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
  else if (PROPERTIES.has(name)) Object.assign(element, { [name]: value });
  else element.setAttribute(name, value === true ? "" : String(value));
}

// What an attribute would only set the default of.
const PROPERTIES = new Set(["value", "checked", "indeterminate"]);

/**
 * Append to an element.
 *
 * @param {Element} parent
 * @param {Child[]} children
 */
export function add(parent, ...children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(parent, ...child);
    else parent.append(child);
  }
}

/**
 * Put these in the place of everything that is there.
 *
 * @param {Element} parent
 * @param {Child[]} children
 */
export function replace(parent, ...children) {
  parent.replaceChildren();
  add(parent, children);
}

/**
 * Find the element that an event is for, or its nearest parent, by a selector.
 *
 * @template {Element} Found
 * @param {Event} event
 * @param {string} selector
 * @returns {Found | null}
 */
export const closest = ({ target }, selector) => (target instanceof Element ? target.closest(selector) : null);

/**
 * Focus what a selector finds first, if it finds anything.
 *
 * @param {ParentNode | null | undefined} parent
 * @param {string} selector
 */
export function focusFirst(parent, selector) {
  /** @type {HTMLElement | null | undefined} */
  const found = parent?.querySelector(selector);
  found?.focus();
}

/**
 * Show what people have named. Isolated, so that right-to-left letters and direction marks in a name turn nothing
 * around it.
 *
 * @param {string} text
 */
export function name(text) {
  return h("bdi", { class: "name" }, breakable(text));
}

// Behind what joins the parts of addresses and ids, and before a letter or digit, so that no accent loses its letter.
const JOINT = /(?<=[@._:/-])(?=[\p{L}\p{N}])/u;

/**
 * Let a long text go on in the next line where a part of it ends, before it has to within a word.
 *
 * @param {string} text
 */
export const breakable = (text) => text.split(JOINT).flatMap((part, index) => (index ? [h("wbr"), part] : [part]));

/**
 * Make a sentence of a tagged template: values stand in it as names, or as they are if they are elements.
 *
 * @param {TemplateStringsArray} strings
 * @param {(string | Node | Child[])[]} values
 * @returns {Child[]}
 */
export function sentence(strings, ...values) {
  return strings.flatMap((text, index) => {
    const value = values[index];
    if (index >= values.length) return [text];
    return [text, value instanceof Node || Array.isArray(value) ? value : name(value)];
  });
}

/**
 * Join parts as "a, b and c", of elements too.
 *
 * @param {Child[]} parts
 * @returns {Child[]}
 */
export function together(parts) {
  return parts.flatMap((part, index) => [index === 0 ? "" : index === parts.length - 1 ? " and " : ", ", part]);
}

let identifiers = 0;

/**
 * Make an id that no other element has.
 *
 * @param {string} prefix
 */
export function identifier(prefix) {
  identifiers += 1;
  return `${prefix}-${identifiers}`;
}

/**
 * Count things, as in "1 job", "2 jobs", "10,000 jobs".
 *
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
