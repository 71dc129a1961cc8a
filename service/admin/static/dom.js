// Builds elements. Texts only ever become text nodes: nothing in this page parses HTML, and its policy forbids it.

/** An element. Attributes that begin with "on" are listeners, false and null ones are left out, true ones are empty. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

// What an attribute would only set the default of.
const PROPERTIES = new Set(["value", "checked", "indeterminate"]);

/** Append texts, elements, and lists of them; null and false are nothing. */
export function add(parent, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child);
  }
}

/** Put these in the place of everything that is there. */
export function replace(parent, ...children) {
  parent.replaceChildren();
  add(parent, children);
}

/**
 * What people have named. Isolated, so that right-to-left letters and direction marks in a name turn nothing around it.
 */
export function name(text) {
  return h("bdi", { class: "name" }, text);
}

/** A sentence as a tagged template: what is put into it stands in it as a name, or as it is if it is an element. */
export function sentence(strings, ...values) {
  return strings.flatMap((text, index) => {
    const value = values[index];
    if (index >= values.length) return [text];
    return [text, value instanceof Node || Array.isArray(value) ? value : name(String(value))];
  });
}

/** "a, b and c", of elements too. */
export function together(parts) {
  return parts.flatMap((part, index) => [index === 0 ? "" : index === parts.length - 1 ? " and " : ", ", part]);
}

let identifiers = 0;

/** An id that no other element has. */
export function identifier(prefix) {
  identifiers += 1;
  return `${prefix}-${identifiers}`;
}

/** "1 job", "2 jobs", "10,000 jobs". */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
