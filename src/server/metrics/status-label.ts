const commonStatuses = [
  200, 400, 401, 403, 404, 408, 409, 413, 422, 424, 429, 498, 500, 501, 502, 503, 504, 520, 529,
] as const

/** All labels that a status can have: upstreams send what they like, and each label is a series. */
export const statusLabels: readonly string[] = ['none', '2xx', '3xx', '4xx', '5xx', ...commonStatuses.map(String)]

const indexes: ReadonlyMap<number, number> = new Map(
  commonStatuses.map((status) => [status, statusLabels.indexOf(String(status))]),
)

/** Where in `statusLabels` a status is, or else its class; null, and what is no status, is `none`. */
export function statusIndex(status: number | null): number {
  if (status === null) return 0
  const known = indexes.get(status)
  if (known !== undefined) return known
  return status >= 200 && status < 600 ? Math.floor(status / 100) - 1 : 0
}
