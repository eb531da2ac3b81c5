/** `fail`: something does not work; `warn`: it works, and will not for long, or not as well as it could. */
export type FindingState = 'ok' | 'warn' | 'fail'

/** The result of one check, without secrets. */
export interface Finding {
  /** The name of the check, e.g. `database.version`; it stays the same in later releases. */
  readonly check: string
  readonly state: FindingState
  /** A sentence. */
  readonly text: string
  /** What to do, in one sentence; null if nothing. */
  readonly advice: string | null
}

export function ok(check: string, text: string): Finding {
  return { check, state: 'ok', text, advice: null }
}

export function warn(check: string, text: string, advice: string): Finding {
  return { check, state: 'warn', text, advice }
}

export function fail(check: string, text: string, advice: string): Finding {
  return { check, state: 'fail', text, advice }
}
