// Texts of the page, translated by the server and embedded as <script type="application/json" id="strings"> (and
// "site-strings"). A value is a text with placeholders %(name)s, or an object of plural forms ({one, other}), of which
// the number `num` selects one.

const language = document.documentElement.lang;
const rules = new Intl.PluralRules(language);
const decimal = new Intl.NumberFormat(language);
const words = { ...load("site-strings"), ...load("strings") };

function load(id) {
  return JSON.parse(document.getElementById(id)?.textContent || "{}");
}

/** Return the text for `key` with `values` inserted; numbers are formatted for the language. */
export function t(key, values = {}) {
  const found = words[key] ?? key;
  const text = typeof found === "string" ? found : (found[rules.select(values.num)] ?? found.other);
  return text.replace(/%\((\w+)\)[sd]/g, (_, name) => number(values[name])).replaceAll("%%", "%");
}

/** Format a number for the language; convert anything else to a string. */
export function number(value) {
  return typeof value === "number" ? decimal.format(value) : String(value);
}
