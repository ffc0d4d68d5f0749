/** In which field a data set is shared. Jobs convert it to the field that they compute in. */
import { convertDistance } from "../../mpc/protocols/convert.ts";
import { type FieldBits, fieldBits } from "../../mpc/vector/index.ts";

/**
 * Converting a whole data set adds at most this to the statistical distance of a job, which may reach 2^-40
 * in all: so a thousand data sets fit, with the openings of the program.
 */
export const dataDistance = 2 ** -50;

/**
 * The smallest field that shares `values` numbers in [-1, 1] with `fracBits` fractional bits so that a job can
 * convert them within `dataDistance`: one of 89 bits for 2^(36 - fracBits) values, a million at 16 fractional
 * bits, one of 107 bits beyond. The masks of a conversion are as wide as this field, which is why it is never
 * the one of 61 bits: there a single value of 16 fractional bits comes out at 2^-42.
 */
export function dataFieldBits(values: number, fracBits: number): FieldBits {
  const fitting = fieldBits.find((bits) => convertDistance(values, fracBits, bits) <= dataDistance);
  return fitting === undefined ? fieldBits[fieldBits.length - 1]! : (Math.max(fitting, 89) as FieldBits);
}
