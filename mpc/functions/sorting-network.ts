/** Compare-exchanges that sort any n values: pairs i < j after which place i holds the smaller. */
export type Comparator = readonly [number, number];

/** Comparators of a layer touch different places, so they share their rounds. */
export type Layer = readonly Comparator[];

/**
 * Merge exchange for any n [Bat68, Knu98 algorithm 5.2.2M]: t (t + 1) / 2 layers with t = ceil(log2 n), about
 * n t^2 / 4 comparators.
 */
export function mergeExchange(n: number): Layer[] {
  const layers: Layer[] = [];
  const top = 2 ** (Math.ceil(Math.log2(Math.max(n, 2))) - 1);
  for (let p = top; p >= 1; p /= 2) {
    let distance = p;
    let part = 0;
    for (let q = top; ; q /= 2) {
      const layer: Comparator[] = [];
      for (let i = 0; i + distance < n; i++) if ((i & p) === part) layer.push([i, i + distance]);
      layers.push(layer);
      if (q === p) break;
      distance = q - p;
      part = p;
    }
  }
  return layers.filter((layer) => layer.length > 0);
}

/** The part of a network that decides what stands in the wanted places at its end. */
export function pruned(layers: readonly Layer[], wanted: readonly number[]): Layer[] {
  const needed = new Set(wanted);
  const kept: Layer[] = [];
  for (const layer of [...layers].reverse()) {
    const useful = layer.filter(([i, j]) => needed.has(i) || needed.has(j));
    for (const place of useful.flat()) needed.add(place);
    if (useful.length > 0) kept.unshift(useful);
  }
  return kept;
}
