/** A number of things in words: "1 row", "3 rows". */
export const counted = (count: number, name: string): string => `${count} ${name}${count === 1 ? "" : "s"}`;
