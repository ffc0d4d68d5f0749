import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id } from "ethers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { randomBytes } from "../../../mpc/random.ts";
import { EvidenceStore, type ResultEvidence } from "../../../parties/compute/evidence-store.ts";
import { ForgottenWord } from "../../../parties/compute/journal.ts";
import { Secret } from "../../../parties/secret.ts";
import { watchSyncs } from "./watch-syncs.ts";

const job = id("job 1");
const other = id("job 2");
const key = new Secret(randomBytes(32));
const sealInvalid = { code: "SEAL_INVALID" };

let folder: string;
let store: EvidenceStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-evidence-"));
  store = await EvidenceStore.open(folder, key);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

function evidenceOf(jobId: string, shareBytes = 5000): ResultEvidence {
  return {
    origin: { jobId, attempt: 1, operator: `0x${"ab".repeat(20)}`, point: 2 },
    salt: Uint8Array.from(randomBytes(32)),
    share: Uint8Array.from(randomBytes(shareBytes)),
  };
}

describe("the evidence of a result", () => {
  test.each([0, 1, 5000])(
    "comes back as it was kept, after a restart too: a share of %i bytes",
    async (n) => {
      const kept = evidenceOf(job, n);
      await store.keep(kept);
      expect(await store.read(job)).toEqual(kept);
      const again = await EvidenceStore.open(folder, key);
      expect(await again.read(job)).toEqual(kept);
      expect(await again.jobs()).toEqual([job]);
    },
  );

  test("is on the disk for its owner alone, and unreadable there", async () => {
    const kept = evidenceOf(job);
    await store.keep(kept);
    const file = join(folder, job);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const bytes = await readFile(file);
    // No part of the share, of the salt or of what is said about them.
    for (let at = 0; at + 16 <= kept.share.length; at += 16) {
      expect(bytes.includes(Buffer.from(kept.share.subarray(at, at + 16)))).toBe(false);
    }
    expect(bytes.includes(Buffer.from(kept.salt))).toBe(false);
    expect(bytes.includes(Buffer.from(kept.salt).toString("hex"))).toBe(false);
    expect(bytes.includes(kept.origin.operator.slice(2))).toBe(false);
  });

  test("is encrypted anew each time that it is kept", async () => {
    const kept = evidenceOf(job);
    await store.keep(kept);
    const first = await readFile(join(folder, job));
    await store.drop(job);
    await store.keep(kept);
    const second = await readFile(join(folder, job));
    expect(first.subarray(0, 12)).not.toEqual(second.subarray(0, 12));
    expect(first.subarray(12)).not.toEqual(second.subarray(12));
  });

  test("is not replaced by another result of the job, which a journal that was lost would allow", async () => {
    const kept = evidenceOf(job);
    await store.keep(kept);
    const again = await EvidenceStore.open(folder, key);
    await expect(again.keep(evidenceOf(job))).rejects.toThrow(ForgottenWord);
    expect(await again.read(job)).toEqual(kept);
    expect(await readdir(folder)).toEqual([job]);
  });

  test("is on the disk when it was kept, under its name: the file is flushed, then the folder that names it", async () => {
    const syncs = await watchSyncs(folder);
    await store.keep(evidenceOf(job));
    expect(syncs).toEqual([
      { ofFolder: false, names: [`${job}.incoming`] },
      { ofFolder: true, names: [job] },
    ]);
  });

  test("that cannot be read is not called lost", async () => {
    await store.keep(evidenceOf(job));
    await rm(join(folder, job));
    await mkdir(join(folder, job));
    await expect(store.read(job)).rejects.toMatchObject({ code: "EISDIR" });
  });

  test("does not open when a byte of it was altered, or it was cut or made longer", async () => {
    await store.keep(evidenceOf(job, 40));
    const file = join(folder, job);
    const whole = await readFile(file);
    const wrong: Buffer[] = [
      // Nonce, lengths and facts, share and tag: a byte of each at least.
      ...Array.from({ length: Math.ceil(whole.length / 7) }, (_, i) => {
        const at = whole.length - 1 - 7 * i;
        const altered = Buffer.from(whole);
        altered[at]! ^= 1;
        return altered;
      }),
      whole.subarray(0, whole.length - 1),
      whole.subarray(0, 20),
      Buffer.alloc(0),
      Buffer.concat([whole, Buffer.of(0)]),
    ];
    for (const bytes of wrong) {
      await writeFile(file, bytes);
      await expect(store.read(job)).rejects.toMatchObject(sealInvalid);
    }
    await writeFile(file, whole);
    expect(await store.read(job)).toBeDefined();
  });

  test("does not open with another key", async () => {
    await store.keep(evidenceOf(job));
    const stranger = await EvidenceStore.open(folder, new Secret(randomBytes(32)));
    await expect(stranger.read(job)).rejects.toMatchObject(sealInvalid);
  });

  test("does not open under another job's name", async () => {
    await store.keep(evidenceOf(job));
    await copyFile(join(folder, job), join(folder, other));
    await expect(store.read(other)).rejects.toMatchObject(sealInvalid);
  });

  test("of one job says nothing about another, and is gone when it was dropped", async () => {
    const [first, second] = [evidenceOf(job), evidenceOf(other)];
    await store.keep(first);
    await store.keep(second);
    expect((await store.jobs()).toSorted()).toEqual([job, other].toSorted());
    await store.drop(job);
    expect(await store.read(job)).toBeUndefined();
    expect(await store.read(other)).toEqual(second);
    expect(await readdir(folder)).toEqual([other]);
    // Twice, as after a crash between dropping and forgetting.
    await store.drop(job);
  });

  test("that was being written when the node stopped is cleared away, and what was kept stays", async () => {
    await store.keep(evidenceOf(job));
    await writeFile(join(folder, `${other}.incoming`), "half of it");
    const again = await EvidenceStore.open(folder, key);
    expect(await readdir(folder)).toEqual([job]);
    expect(await again.jobs()).toEqual([job]);
  });

  test("has no name but that of a job", async () => {
    for (const name of ["../journal.sqlite", "", job.toUpperCase(), job.slice(0, 12)]) {
      await expect(store.read(name)).rejects.toMatchObject({ code: "USAGE" });
      await expect(store.keep(evidenceOf(name))).rejects.toMatchObject({ code: "USAGE" });
      await expect(store.drop(name)).rejects.toMatchObject({ code: "USAGE" });
    }
  });
});
