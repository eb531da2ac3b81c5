import type { CircuitState } from '../config/vocabulary.ts'

/** Why no requests are sent: an open circuit, a failing active check, or a benched credential. */
export type EjectionCause = 'CIRCUIT' | 'CHECK' | 'BENCH'

/** The health of a provider model, an endpoint or a credential, as one gateway sees it. Instants in ms since the epoch. */
export interface BackendHealthReport {
  readonly circuit: CircuitState
  /** Null if requests are sent. Undefined in reports of gateways of an earlier release. */
  readonly cause?: EjectionCause | null
  readonly consecutiveFailures: number
  /** When an open circuit allows the next trial; for a failing check, the time of the next check. */
  readonly retryAtMs: number | null
  /** When it was last ejected; null while it is not. */
  readonly ejectedAtMs: number | null
  /**
   * The beginning of the current series of failures without a success, also during a trial; null if there is none. Undefined in reports
   * of gateways of an earlier release.
   */
  readonly failingSinceMs?: number | null
  /** The last failure, bounded and without secrets. */
  readonly lastError: string | null
  readonly observedAtMs: number
}
