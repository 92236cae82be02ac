// Hash keys: numbers of 128 bits, in decimal.

const ALL = 2n ** 128n;

/** A hash key as a part of all, in per cent. @param {string} key */
export const part = (key) => Number((BigInt(key) * 1000000n) / ALL) / 10000;

/** How much of all hash keys a shard owns, in per cent. @param {{start: string, end: string}} shard */
export const width = ({ start, end }) => Number(((BigInt(end) - BigInt(start) + 1n) * 1000000n) / ALL) / 10000;

/** The hash key that leaves `share` per cent of a shard before it. @param {{start: string, end: string}} shard @param {number} share */
export function cut({ start, end }, share) {
  const keys = BigInt(end) - BigInt(start) + 1n;
  return (BigInt(start) + (keys * BigInt(Math.round(share * 100))) / 10000n).toString();
}

/** Shards in order of their keys. @param {import("../../parts/overview.js").Shard[]} shards */
export const inOrder = (shards) => [...shards].sort((a, b) => (BigInt(a.start) < BigInt(b.start) ? -1 : 1));
