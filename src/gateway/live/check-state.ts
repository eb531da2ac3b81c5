/** What an endpoint's active checks say. */
export interface CheckState {
  readonly isPassing: boolean
  /** In a row. */
  readonly failures: number
  readonly successes: number
  /** When it stopped passing, in milliseconds since the epoch; 0: it passes. */
  readonly failedAtMs: number
  /** When it is checked next. */
  readonly nextAtMs: number
}

/** Also the state before the first check and without checks: an unchecked server counts as healthy. */
export const passingCheck: CheckState = { isPassing: true, failures: 0, successes: 0, failedAtMs: 0, nextAtMs: 0 }

/** The state after one more check. */
export function countCheck(
  state: CheckState,
  isSuccess: boolean,
  thresholds: { readonly unhealthyThreshold: number; readonly healthyThreshold: number },
  nowMs: number,
): CheckState {
  const failures = isSuccess ? 0 : state.failures + 1
  const successes = isSuccess ? state.successes + 1 : 0
  const isPassing = state.isPassing
    ? failures < thresholds.unhealthyThreshold
    : successes >= thresholds.healthyThreshold
  const failedAtMs = isPassing ? 0 : state.failedAtMs || nowMs
  return { ...state, isPassing, failures, successes, failedAtMs }
}
