/** A minimal chart: panels side by side, both axes logarithmic, lines with points, as an SVG document. */

export interface Line {
  readonly name: string;
  readonly colour: string;
  /** Both coordinates above 0. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly lines: readonly Line[];
}

const [width, height] = [460, 340];
const margin = { left: 62, right: 16, top: 36, bottom: 48 };

export function chart(panels: readonly Panel[]): string {
  const drawn = panels.map((panel, i) => `<g transform="translate(${i * width} 0)">${drawPanel(panel)}</g>`);
  const size = `width="${panels.length * width}" height="${height}"`;
  const style = `<style>text{font:12px sans-serif;fill:#333}.grid{stroke:#ddd}.axis{stroke:#333}</style>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${style}\n<rect width="100%" height="100%" fill="#fff"/>\n${drawn.join("\n")}\n</svg>\n`;
}

function drawPanel({ title, xLabel, yLabel, lines }: Panel): string {
  const all = lines.flatMap((line) => line.points);
  const x = axis(
    all.map(([value]) => value),
    margin.left,
    width - margin.right,
  );
  const y = axis(
    all.map(([, value]) => value),
    height - margin.bottom,
    margin.top,
  );
  const [left, right, top, bottom] = [margin.left, width - margin.right, margin.top, height - margin.bottom];
  const grid = [
    ...x.ticks.map((tick) => segment("grid", [x.at(tick), top], [x.at(tick), bottom])),
    ...y.ticks.map((tick) => segment("grid", [left, y.at(tick)], [right, y.at(tick)])),
    segment("axis", [left, bottom], [right, bottom]),
    segment("axis", [left, top], [left, bottom]),
  ];
  const labels = [
    ...x.ticks.map((tick) => text(number(tick), x.at(tick), bottom + 17, "middle")),
    ...y.ticks.map((tick) => text(number(tick), left - 7, y.at(tick) + 4, "end")),
    text(title, (left + right) / 2, 20, "middle"),
    text(xLabel, (left + right) / 2, height - 12, "middle"),
    `<g transform="translate(16 ${(top + bottom) / 2}) rotate(-90)">${text(yLabel, 0, 0, "middle")}</g>`,
  ];
  const curves = lines.flatMap(({ name, colour, points }, i) => {
    const places = points.map(([a, b]) => `${round(x.at(a))},${round(y.at(b))}`);
    return [
      `<polyline points="${places.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map(
        ([a, b]) => `<circle cx="${round(x.at(a))}" cy="${round(y.at(b))}" r="3" fill="${colour}"/>`,
      ),
      `<rect x="${left + 10}" y="${top + 6 + 18 * i}" width="12" height="3" fill="${colour}"/>`,
      text(name, left + 28, top + 12 + 18 * i, "start"),
    ];
  });
  return [...grid, ...labels, ...curves].join("\n");
}

/** Maps values to places between two ends; ticks at 1, 2 and 5 times the powers of ten. */
function axis(values: readonly number[], from: number, to: number) {
  const low = Math.log10(Math.min(...values) / 1.2);
  const high = Math.log10(Math.max(...values) * 1.2);
  const at = (value: number): number => from + ((Math.log10(value) - low) / (high - low)) * (to - from);
  const ticks: number[] = [];
  for (let exponent = Math.floor(low); exponent <= high; exponent++) {
    for (const digit of [1, 2, 5]) {
      const tick = digit * 10 ** exponent;
      if (Math.log10(tick) >= low && Math.log10(tick) <= high) ticks.push(tick);
    }
  }
  return { at, ticks };
}

const round = (value: number): string => value.toFixed(1);
const number = (value: number): string => String(Number(value.toPrecision(3)));

function segment(name: string, [x1, y1]: readonly number[], [x2, y2]: readonly number[]): string {
  return `<line class="${name}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`;
}

function text(content: string, x: number, y: number, anchor: "start" | "middle" | "end"): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped}</text>`;
}
