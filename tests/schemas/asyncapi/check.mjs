// Prints what the AsyncAPI parser finds in a document; exits 1 on errors.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const levels = ["error", "warning", "information", "hint"];
const path = process.argv[2];
const { document, diagnostics } = await new Parser().parse(await readFile(path, "utf8"));
for (const { severity, code, path: where, message } of diagnostics) {
  console.log(`${levels[severity]} ${code} at ${where.join("/")}: ${message}`);
}
const errors = diagnostics.filter(({ severity }) => severity === 0).length;
console.log(`${errors} errors, ${diagnostics.length - errors} others`);
process.exitCode = errors > 0 || document === undefined ? 1 : 0;
