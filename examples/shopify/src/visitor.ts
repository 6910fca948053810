import { isIPv6 } from "node:net";

/** Whose orders count together: the address, and the customer who is logged in. `ownProxies` append to `forwarded`. */
export function visitorsOf(forwarded: string, ownProxies: number, customer: string): string[] {
  const addresses = forwarded.split(",").map((address) => address.trim());
  const address = networkOf(addresses.at(-1 - ownProxies) ?? addresses[0] ?? "");
  return [`address ${address}`, ...(customer ? [`customer ${customer}`] : [])];
}

/** Of IPv6 the 64 bits that one household is given: its visitor may change all others. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  if (address.includes(".")) return address.slice(address.lastIndexOf(":") + 1);
  const [left = [], right = []] = address.split("::").map((half) => half.split(":").filter(Boolean));
  const zeros = Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
