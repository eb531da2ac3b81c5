/** `fail`: something does not work; `warn`: it works, and will not for long, or not as well as it could. */
export type FindingState = 'ok' | 'warn' | 'fail'

/** What an examination has found out about one thing. Nothing secret is in it. */
export interface Finding {
  /** What was looked at, e.g. `database.version`: the same in each version of Signalbox. */
  readonly check: string
  readonly state: FindingState
  /** A sentence. */
  readonly text: string
  /** A sentence that says what to do; null if nothing is to be done. */
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
