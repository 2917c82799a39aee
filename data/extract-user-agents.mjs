// Writes user-agents.tsv from the JSON of the npm package `user-agents`: node extract-user-agents.mjs <user-agents.json>
import { readFileSync, writeFileSync } from 'node:fs';

const shares = new Map();
for (const { userAgent, weight } of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  shares.set(userAgent, (shares.get(userAgent) ?? 0) + weight);
}
// Shares are fractions of 1; whole parts per million keep the file exact. The rarest user agent has about 70.
const rows = [...shares].map(([userAgent, share]) => [Math.round(share * 1e6), userAgent]);
rows.sort(([a, x], [b, y]) => b - a || (x < y ? -1 : 1));
writeFileSync(
  new URL('user-agents.tsv', import.meta.url),
  rows.map(([weight, userAgent]) => `${weight}\t${userAgent}\n`).join(''),
);
