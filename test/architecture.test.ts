/** The rules that hold the layers apart, read off the sources. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { errorCodes, errorKinds } from "../mpc/errors.ts";
import { protocolCostTable } from "../mpc/protocols/cost-table.ts";

const root = join(import.meta.dirname, "..");

function sources(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile() && /\.(ts|mjs)$/.test(e.name))
      .map((e) => relative(root, join(e.parentPath, e.name))),
  );
}

const product = sources("mpc", "algorithms", "contracts", "bridge", "parties");
const text = (file: string): string => readFileSync(join(root, file), "utf8");

/** What a file imports: project files by their path from the root, packages by their name. */
function imports(file: string): string[] {
  const found = text(file).matchAll(
    /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)/g,
  );
  return Array.from(found, ([, fixed, dynamic]) => fixed ?? dynamic).map((name) =>
    name.startsWith(".") ? relative(root, resolve(root, dirname(file), name)) : name,
  );
}

/** Folder (or single file) -> prefixes of project paths that it may import, besides itself. */
const mayImport: Record<string, readonly string[]> = {
  "mpc/": [],
  "contracts/": ["mpc/errors.ts"],
  "algorithms/": ["mpc/"],
  "bridge/": ["contracts/", "algorithms/manifest.ts", "mpc/errors.ts", "mpc/random.ts", "mpc/recent-map.ts"],
  "parties/": ["mpc/", "algorithms/", "contracts/", "bridge/client.ts"],
};

/** The command line and the local market start the bridge's process; nothing else in `parties/` touches its inside. */
const exceptions: Record<string, readonly string[]> = {
  "parties/local/": ["bridge/config.ts"],
  "parties/cli/": ["bridge/server.ts", "bridge/config.ts"],
};

describe("layers", () => {
  it.each(Object.keys(mayImport))("%s imports only what it may", (folder) => {
    const wrong = product
      .filter((file) => file.startsWith(folder))
      .flatMap((file) => {
        const extra = Object.entries(exceptions).flatMap(([prefix, list]) =>
          file.startsWith(prefix) ? list : [],
        );
        const allowed = [folder, ...mayImport[folder], ...extra];
        return imports(file)
          .filter((name) => Object.keys(mayImport).some((layer) => name.startsWith(layer)))
          .filter((name) => !allowed.some((prefix) => name.startsWith(prefix)))
          .map((name) => `${file} imports ${name}`);
      });
    expect(wrong).toEqual([]);
  });

  it("algorithms do not reach the transport", () => {
    const wrong = product
      .filter((file) => file.startsWith("algorithms/"))
      .filter((file) => imports(file).some((name) => name.startsWith("mpc/transport/")));
    expect(wrong).toEqual([]);
  });

  it("clients do not reach into the compute party", () => {
    const wrong = product
      .filter((file) => /^parties\/(seller|buyer)\//.test(file))
      .filter((file) => imports(file).some((name) => name.startsWith("parties/compute/")));
    expect(wrong).toEqual([]);
  });

  it("JIFF is loaded in the adapter and the relay alone", () => {
    const users = product.filter((file) =>
      /jiff-mpc/.test(text(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")),
    );
    for (const file of users) expect(file).toMatch(/^(mpc\/transport\/jiff|bridge\/relay\/)/);
    expect(users.length).toBeGreaterThan(0);
  });

  it("nothing in the product imports tests or benches", () => {
    const wrong = product.filter((file) => imports(file).some((name) => /^(test|bench)\//.test(name)));
    expect(wrong).toEqual([]);
  });
});

describe("randomness", () => {
  it("comes from one module", () => {
    const users = product.filter((file) =>
      /Math\.random|\brandomBytes\b[^;]*from "node:crypto"|getRandomValues|randomUUID|randomInt\b/.test(
        text(file),
      ),
    );
    expect(users).toEqual(["mpc/random.ts"]);
  });
});

describe("sources", () => {
  it("have at most 600 lines", () => {
    const long = product.filter((file) => text(file).split("\n").length > 600);
    expect(long).toEqual([]);
  });

  it("hold no unfinished work", () => {
    const unfinished = product.filter((file) => /\b(TODO|FIXME|XXX|HACK)\b/.test(text(file)));
    expect(unfinished).toEqual([]);
  });
});

describe("docs/errors.md", () => {
  const rows = Array.from(text("docs/errors.md").matchAll(/^\| `([A-Z_]+)` \| (\w+) \| (\d) \| (.*) \|$/gm));

  it("lists every code with its kind, exit status and meaning, and no other", () => {
    const documented = rows.map(([, code, kind, exit, meaning]) => [code, kind, Number(exit), meaning]);
    const expected = Object.entries(errorCodes).map(([code, [kind, meaning]]) => [
      code,
      kind,
      errorKinds[kind].exit,
      meaning,
    ]);
    expect(documented).toEqual(expected);
  });
});

describe("docs/protocols.md", () => {
  it("has the table of declared costs that `npm run docs` writes", () => {
    expect(text("docs/protocols.md")).toContain(protocolCostTable());
  });
});

describe("docs/threat-model.md", () => {
  it("names tests that exist", () => {
    const named = Array.from(text("docs/threat-model.md").matchAll(/`(test\/[^`]+)`/g), ([, file]) => file);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });
});
