import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExactReader } from "../../parties/exact-reader.ts";

describe("reading a stream in pieces of wanted lengths", () => {
  it("gives its bytes in order, whatever pieces they come in", async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.array(fc.nat(12), { maxLength: 10 }), async (parts, lengths) => {
        const all = Buffer.concat(parts);
        const reader = new ExactReader(parts);
        let at = 0;
        for (const length of lengths) {
          const read = await reader.read(length);
          if (at + length > all.length) {
            expect(read).toBeUndefined();
            return;
          }
          expect(Buffer.from(read!)).toEqual(all.subarray(at, at + length));
          at += length;
        }
        expect(await reader.atEnd()).toBe(at === all.length);
      }),
    );
  });
});
