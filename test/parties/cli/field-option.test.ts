import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { fieldOption } from "../../../parties/cli/field-option.ts";

function parse(field: string): unknown {
  const command = new Command().exitOverride().addOption(fieldOption());
  command.configureOutput({ writeErr: () => {} });
  return command.parse(["--field", field], { from: "user" }).opts().field;
}

describe("--field", () => {
  it.each([89, 107, 127])("takes %i", (field) => {
    expect(parse(String(field))).toBe(field);
  });

  it("refuses the field that has no room for the masks of a conversion, and says so", () => {
    expect(() => parse("61")).toThrow(/no room for the masks/);
  });

  it.each(["64", "89.0", "0x59", ""])("refuses %j", (text) => {
    expect(() => parse(text)).toThrow(/89, 107 or 127/);
  });
});
