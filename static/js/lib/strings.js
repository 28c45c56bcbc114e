// The page's words, translated by the server into <script type="application/json" id="strings"> (and "site-strings").
// A value is a text with %(name)s in it, or an object of plural forms ({one, other}) chosen by the number `num`.

const language = document.documentElement.lang;
const rules = new Intl.PluralRules(language);
const decimal = new Intl.NumberFormat(language);
const words = { ...load("site-strings"), ...load("strings") };

function load(id) {
  return JSON.parse(document.getElementById(id)?.textContent || "{}");
}

/** The text for `key`; numbers among `values` are written as the language does. */
export function t(key, values = {}) {
  const found = words[key] ?? key;
  const text = typeof found === "string" ? found : (found[rules.select(values.num)] ?? found.other);
  return text.replace(/%\((\w+)\)[sd]/g, (_, name) => number(values[name])).replaceAll("%%", "%");
}

/** A number as the language writes it; anything else as it is. */
export function number(value) {
  return typeof value === "number" ? decimal.format(value) : String(value);
}
