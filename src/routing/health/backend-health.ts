import type { CircuitState } from '../config/vocabulary.ts'

/** Why nothing is sent: passive health, an active check that fails, or a credential that upstream spoke against. */
export type EjectionCause = 'CIRCUIT' | 'CHECK' | 'BENCH'

/** The health of a provider model, an endpoint or a credential, as one gateway sees it. Instants in ms since the epoch. */
export interface BackendHealthReport {
  readonly circuit: CircuitState
  /** Null: nothing is against it. Undefined in reports of gateways of an earlier version. */
  readonly cause?: EjectionCause | null
  readonly consecutiveFailures: number
  /** When an open circuit lets the next trial through; of a failing check, when it is checked next. */
  readonly retryAtMs: number | null
  /** When it was last ejected; null while it is not. */
  readonly ejectedAtMs: number | null
  /**
   * Since when it has failed without a success in between, whether or not it is tried at this moment; null: it does not.
   * Undefined in reports of gateways of an earlier version.
   */
  readonly failingSinceMs?: number | null
  /** The last failure, bounded and without secrets. */
  readonly lastError: string | null
  readonly observedAtMs: number
}
