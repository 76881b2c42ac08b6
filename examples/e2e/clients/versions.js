// The names and versions of the packages that are installed, as they say
// themselves.
import { readFileSync } from "node:fs";

export const version = (name) =>
  `${name} ${JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version}`;
