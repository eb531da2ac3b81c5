/** The database is unreachable. The same call may succeed later. */
export class DatabaseAwayError extends Error {
  override name = 'DatabaseAwayError'
}

/** Whether the error means that the database is temporarily unavailable: not reachable, starting, or without free connections. */
export function isAway(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string }
  return AWAY_CODES.has(code ?? '') || /^(Connection terminated|timeout expired|Query read timeout)/.test(message ?? '')
}

// Node's, and PostgreSQL's: too many connections, shutting down (57P01 to 57P03), a broken connection (08…).
const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  '53300',
  '57P01',
  '57P02',
  '57P03',
  '08000',
  '08001',
  '08003',
  '08006',
  // Read-only: a standby that may be made the primary.
  '25006',
])
