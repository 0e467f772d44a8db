// Read an archive with JavaScript and h5wasm under Node: node read.mjs ARCHIVE [SIGNAL [OUT [STATE]]]
//   OUT    file for all stored samples as 64-bit floats
//   STATE  path of a freeze, /freezes/source for one; without it, the working state
import { writeFileSync } from "node:fs";
import { File, ready } from "h5wasm/node";

const [path, signal, out, state = ""] = process.argv.slice(2);
const { activate_throwing_error_handler } = await ready;
activate_throwing_error_handler(); // without it, what can't be read comes back as noise
const archive = new File(path, "r");

const show = (...columns) => console.log(columns.join("\t"));

// A table is a list of rows; the names of its columns are in its type.
function table(name) {
  const dataset = archive.get(`${state}/${name}`);
  const names = dataset.metadata.compound_type.members.map((member) => member.name);
  return dataset.value.map((row) => Object.fromEntries(names.map((column, i) => [column, row[i]])));
}

show("source_sha256", archive.attrs.source_sha256.value);
show("digest", archive.attrs.digest.value);
for (const row of table("segments")) show("segment", row.start, row.duration);
for (const row of table("annotations")) show("annotation", row.onset, row.duration, row.text, row.kind);

if (signal) {
  const dataset = archive.get(`${state}/signals/${signal}`);
  const { scale_factor, add_offset } = dataset.attrs;
  const stored = dataset.value;
  const physical = Float64Array.from(stored, (x) => x * scale_factor.value + add_offset.value);
  for (const name of ["label", "units", "sampling_rate", "scale_factor", "add_offset"]) {
    show(name, dataset.attrs[name].value);
  }
  show("samples", stored.length);
  show("stored", ...stored.slice(0, 5));
  show("physical", ...physical.slice(0, 5));
  if (out) writeFileSync(out, Float64Array.from(stored));
}
archive.close();
