/** The option that overrides in which field data is shared. */
import { InvalidArgumentError, Option } from "commander";
import { type FieldBits, fieldBits } from "../../mpc/vector/kernel.ts";

export function fieldOption(): Option {
  return new Option(
    "--field <k>",
    "share in the field 2^k - 1: 89, 107 or 127; by default the smallest from which the whole data set converts safely (107 for a schema file that names none)",
  ).argParser(parseField);
}

function parseField(text: string): FieldBits {
  const field = fieldBits.find((bits) => String(bits) === text);
  if (field === 61) {
    throw new InvalidArgumentError(
      "a field of 61 bits has no room for the masks with which parties convert data to another field: take 89, 107 or 127",
    );
  }
  if (field === undefined) throw new InvalidArgumentError("expected 89, 107 or 127");
  return field;
}
