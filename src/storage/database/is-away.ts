/** The database does not answer: the same may succeed later. */
export class DatabaseAwayError extends Error {
  override name = 'DatabaseAwayError'
}

/** Is the database only away for now: not reachable, starting, or full? */
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
