/** A number to read: three decimals, or two digits and a power of ten where those would hide it. */
export function figure(value: number): string {
  const size = Math.abs(value);
  const text = size === 0 || (size >= 0.0005 && size < 1000) ? value.toFixed(3) : value.toExponential(1);
  return text.replace("-", "−").replace("e-", "e−").replace("e+", "e");
}
