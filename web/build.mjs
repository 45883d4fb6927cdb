// Bundles the page: `node build.mjs [FOLDER]` writes index.html, app.js, app.css and icon.svg, the same bytes
// every time. `node build.mjs --test` bundles the tests of the logic for `node --test`.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const common = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  charset: "utf8",
  legalComments: "none", // those there are, the banner says
  logLevel: "warning",
};

async function page(folder) {
  const { outputFiles } = await build({
    ...common,
    entryPoints: { app: "src/main.tsx" },
    outdir: folder,
    write: false,
    minify: true,
    banner: { js: "/*! holds Preact and @preact/signals, MIT licence, (c) Jason Miller and the Preact team */" },
    target: ["chrome110", "firefox115", "safari16.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
  });
  const version = createHash("sha256");
  mkdirSync(folder, { recursive: true });
  for (const file of [...outputFiles].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    version.update(file.contents);
    writeFileSync(file.path, file.contents);
  }
  writeFileSync(join(folder, "icon.svg"), readFileSync(join(here, "src/icon.svg")));
  const html = readFileSync(join(here, "src/index.html"), "utf8");
  const name = version.digest("hex").slice(0, 12);
  writeFileSync(join(folder, "index.html"), html.replaceAll("{{version}}", name));
}

async function tests() {
  const out = join(here, "build");
  rmSync(out, { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: readdirSync(join(here, "test")).filter((name) => /^(?!made).*\.ts$/.test(name)).map((name) => `test/${name}`),
    outdir: out,
    outExtension: { ".js": ".test.mjs" },
    platform: "node",
    packages: "external",
  });
}

const [what] = process.argv.slice(2);
await (what === "--test" ? tests() : page(what ?? join(here, "../src/scenekeeper/review/static")));
