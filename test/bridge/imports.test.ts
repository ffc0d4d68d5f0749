/** The bridge must not be able to see a share: what it may import is few things, and this holds it to them. */
import { glob, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const allowed = [
  /^bridge\//,
  /^contracts\/[a-z0-9-]+\.ts$/,
  /^mpc\/errors\.ts$/,
  /^mpc\/random\.ts$/,
  /^mpc\/recent-map\.ts$/,
  /^algorithms\/manifest/,
];

async function importsOf(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, specifier]) => specifier as string);
}

test("no protocol, no share, no party", async () => {
  let files = 0;
  for await (const file of glob("bridge/**/*.ts")) {
    files += 1;
    for (const specifier of await importsOf(file)) {
      if (!specifier.startsWith(".")) continue;
      const target = normalize(join(dirname(file), specifier));
      expect([file, target, allowed.some((pattern) => pattern.test(target))]).toEqual([file, target, true]);
    }
  }
  expect(files).toBeGreaterThan(20);
});

test("JIFF only in the relay", async () => {
  for await (const file of glob("bridge/**/*.ts")) {
    if (file.startsWith("bridge/relay/")) continue;
    expect([file, (await importsOf(file)).filter((specifier) => specifier.startsWith("jiff-mpc"))]).toEqual([
      file,
      [],
    ]);
  }
});
