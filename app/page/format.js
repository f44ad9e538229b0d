// Numbers, times and names as people read them. Every number that is shown goes through here and carries its unit.

const SCALES = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];
export const MISSING = "–";

const minus = (text) => text.replace("-", "−");

/** Three or so digits: 1.23M, 456k, 12.3. */
export function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const size = Math.abs(value);
  for (const [scale, letter] of SCALES) {
    if (size >= 0.9995 * scale) return minus(trimmed(value / scale)) + letter;
  }
  return minus(trimmed(value));
}

function trimmed(value) {
  const size = Math.abs(value);
  const decimals = size === 0 ? 0 : Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(size))));
  const text = value.toFixed(decimals);
  return decimals ? text.replace(/\.?0+$/, "") : text;
}

/** A count in full: 12,345. */
export const whole = (value) => (Number.isFinite(value) ? minus(Math.round(value).toLocaleString("en-US")) : MISSING);

/** A figure with its unit: "1.2M USD", "34 accounts", "5.6 %". */
export function withUnit(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  if (unit === "×") return `${short(value)}×`;
  const text = Number.isInteger(value) && Math.abs(value) < 1e5 ? whole(value) : short(value);
  return unit ? `${text} ${unit}` : text;
}

/** USD: "1.2M USD". */
export const usd = (value) => withUnit(value, "USD");

/** A price with as many decimals as its tick has. */
export function price(value, tick) {
  if (value === null || value === undefined || !Number.isFinite(value) || value === 0) return MISSING;
  const decimals = tick ? Math.max(0, Math.min(8, Math.ceil(-Math.log10(tick) - 1e-9))) : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** A value of a setting with its unit, as people say it: a share in per cent. */
export function settingValue(value, unit) {
  if (unit === "share") return `${Number((100 * value).toPrecision(6))} %`;
  if (unit === "USD") return usd(value);
  const suffix = { count: "", 1: "", x: "×", "1/s": "per s", "bps per million USD": "bps/M USD" }[unit] ?? unit;
  return `${value.toLocaleString("en-US", { maximumFractionDigits: 6 })}${suffix === "×" ? suffix : suffix && ` ${suffix}`}`;
}

/** Seconds since the start as 0:14:05. */
export function clock(seconds) {
  const all = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  return `${Math.floor(all / 3600)}:${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
}

export const percent = (value, decimals = 2) =>
  value === null || value === undefined || !Number.isFinite(value) ? MISSING : `${minus(value.toFixed(decimals))} %`;

/** What a forced fill was, in words. */
export const KINDS = {
  position: "position closed on the book", collateral: "collateral sold on the book", adl: "deleveraged (ADL)",
  auction: "auctioned to a dealer", hedge: "hedged on the book", take_over: "taken over by the vault",
  absorption: "absorbed by reserves", resale: "sold on by reserves", pool: "closed against the pool",
  seizure: "collateral seized",
};
