const shortages = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ERR_RESOLVER_BUSY'])

/** Whether the machine of the gateway is to blame for a failure, and no upstream: it has no descriptors or memory left. */
export function isLocalShortage(code: string | null): boolean {
  return code !== null && shortages.has(code)
}
