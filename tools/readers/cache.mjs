// Read a cache with JavaScript and h5wasm under Node: node cache.mjs ARCHIVE CACHE [STATE]
//   STATE  path of a freeze, /freezes/N2 for one; without it, the working state's cache is read
// Whether a value still holds for the state isn't looked at: see "Caches" in docs/readers.md.
import { File, ready } from "h5wasm/node";

const [path, name, state = ""] = process.argv.slice(2);
const { activate_throwing_error_handler } = await ready;
activate_throwing_error_handler(); // without it, what can't be read comes back as noise
const cache = new File(path, "r").get(`${state}/cache/${name}`);
const tables = new Set(cache.keys());

// A table is a list of rows; the names of its columns are in its type. 64-bit integers come as BigInt.
function table(name) {
  const dataset = cache.get(name);
  const names = dataset.metadata.compound_type.members.map((member) => member.name);
  return dataset.value.map((row) => Object.fromEntries(names.map((column, i) => [column, row[i]])));
}

const exact = (x) => (Object.is(x, -0) ? "-0" : x);
const value = (row) => (row.missing ? "missing" : exact(row.value));

// Only the factors that this entry has; what stands under others is no level.
const strata = (row) => row.factors.split(",").filter(Boolean).map((name) => `${name}=${exact(row[name])}`);
const show = (type, row, values) => console.log([type, row.variable, strata(row).join("; "), ...values].join("\t"));

for (const type of ["num", "int", "text", "bool"]) {
  if (tables.has(type)) for (const row of table(type)) show(type, row, [value(row)]);
  if (tables.has(`${type}_vectors`)) {
    const elements = table(`${type}_elements`).map(value);
    for (const row of table(`${type}_vectors`)) {
      show(`${type}[]`, row, elements.slice(Number(row.start), Number(row.stop)));
    }
  }
}
