import { describe, expect, it } from "vitest";
import { RecentMap } from "../../mpc/recent-map.ts";

describe("a map of what is recent", () => {
  it("forgets what was set longest ago", () => {
    const map = new RecentMap<string, number>(2);
    map.set("a", 1).set("b", 2).set("c", 3);
    expect([...map]).toEqual([
      ["b", 2],
      ["c", 3],
    ]);
  });

  it("counts what is set again as new", () => {
    const map = new RecentMap<string, number>(2);
    map.set("a", 1).set("b", 2).set("a", 3).set("c", 4);
    expect([...map]).toEqual([
      ["a", 3],
      ["c", 4],
    ]);
  });
});
