import type { Party } from "../party.ts";
import type { RowStore } from "../tables/row-store.ts";
import type { FieldArray } from "../vector/index.ts";
import { convertAll } from "./convert.ts";
import { type CheckedInput, checkInputs } from "./input-check.ts";

/**
 * What every job begins with: the inputs are checked in the field that they are shared in, and only then
 * converted to the field of the run. The order is what makes it safe. The checks mask values uniformly on the
 * field, so they hide whatever a data owner shares; a conversion hides values in the declared range only.
 *
 * Cost and openings: those of `checkInputs` and, where the fields differ, of `convertAll`.
 * @param from the party in the field of the data
 * @param to the same party in the field of the run; `from` itself where it is the same
 * @param place makes room for converted rows
 * @returns the inputs' own rows, or converted ones, in which case their own are freed
 * @throws the codes of `checkInputs`, before anything is converted
 */
export async function admitInputs(
  from: Party,
  to: Party,
  inputs: readonly CheckedInput[],
  place: (rows: number, cols: number) => Promise<RowStore<FieldArray>>,
): Promise<readonly RowStore<FieldArray>[]> {
  const own = inputs.map(({ shares }) => shares);
  await checkInputs(from, inputs);
  if (from === to) return own;
  const converted: RowStore<FieldArray>[] = [];
  for (const { rows, cols } of own) converted.push(await place(rows, cols));
  await convertAll(from, to, own, converted, inputs[0].fracBits);
  for (const shares of own) await shares.free();
  return converted;
}
