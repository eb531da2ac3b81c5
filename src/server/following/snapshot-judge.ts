import { setTimeout as sleep } from 'node:timers/promises'
import type { GatewayPorts } from '../../gateway/ports.ts'

export interface SnapshotJudge extends Disposable {
  readonly judge: NonNullable<GatewayPorts['judgeSnapshot']>
  /** The database has answered. */
  readonly heard: () => void
}

/** Others take a gateway that has been silent for so long for lost, and do not wait for it: it must not serve on unseeing. */
const sleptMs = 3_000
const tickMs = 500
/** An unreachable database is no reason to refuse: the last known configuration is served. */
const lookPatienceMs = 1_000

/**
 * Judges whether a gateway may serve by what it knows. A process that was stopped or starved for three seconds looks first: others may
 * have changed the configuration without waiting for it. `maxStalenessMs`: one that has not heard from its database for so long
 * refuses; null: it serves on for as long as it takes.
 */
export function openSnapshotJudge(options: {
  readonly maxStalenessMs: number | null
  /** Resolves when what was committed before is served. */
  readonly look: () => Promise<void>
}): SnapshotJudge {
  const { maxStalenessMs, look } = options
  let awakeAtMs = performance.now()
  let heardAtMs = -Infinity
  let looking: Promise<void> | null = null
  const lookOnce = async () => {
    await Promise.race([look().catch(() => undefined), sleep(lookPatienceMs, undefined, { ref: false })])
    looking = null
    awakeAtMs = performance.now()
  }
  const beginLook = () => (looking ??= lookOnce())
  const tick = setInterval(() => {
    // The first that runs after a long sleep may be this timer: then the look begins here.
    if (performance.now() - awakeAtMs > sleptMs) void beginLook()
    else awakeAtMs = performance.now()
  }, tickMs).unref()
  return {
    judge() {
      const nowMs = performance.now()
      if (looking) return looking
      if (nowMs - awakeAtMs > sleptMs) return beginLook()
      return maxStalenessMs !== null && nowMs - heardAtMs > maxStalenessMs ? 'STALE' : null
    },
    heard: () => void (heardAtMs = performance.now()),
    [Symbol.dispose]: () => clearInterval(tick),
  }
}
