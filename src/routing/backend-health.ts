import type { CircuitState } from './vocabulary.ts'

/** The health of a provider model, an endpoint or a credential, as one gateway sees it. Instants in ms since the epoch. */
export interface BackendHealthReport {
  readonly circuit: CircuitState
  readonly consecutiveFailures: number
  /** When an open circuit lets the next trial through. */
  readonly retryAtMs: number | null
  /** When it was last ejected; null while it is not. */
  readonly ejectedAtMs: number | null
  /** The last failure, bounded and without secrets. */
  readonly lastError: string | null
  readonly observedAtMs: number
}
