import type { AttemptQuestion } from '../routing/next-attempt.ts'
import type { Route, Snapshot } from '../routing/snapshot.ts'
import type { AttemptLog } from './attempt-log.ts'
import type { LiveState } from './live/live-state.ts'
import type { ReceivedRequest } from './received-request.ts'
import { join } from './relay.ts'
import { beginning } from './splice.ts'

/** So much of a prompt decides which endpoint has it in its prefix cache: what is shorter is hardly worth caching. */
const prefixBytes = 256
/** The prompt is looked for in so much of the body. */
const searchedBytes = 64 * 1024

interface RequestProgress {
  readonly elapsedMs: number
  readonly attempts: readonly AttemptLog[]
}

/** What `nextAttempt` asks of a request; what is dear and seldom asked for is found when it is asked for. */
export class RequestQuestion implements AttemptQuestion {
  readonly snapshot: Snapshot
  readonly route: Route
  readonly live: LiveState
  readonly attempts: readonly AttemptLog[]
  /** To be set before each question. */
  nowMs = 0
  readonly #usage: RequestProgress
  readonly #received: Pick<ReceivedRequest, 'head'>
  #prefixHash: number | undefined

  constructor(
    snapshot: Snapshot,
    route: Route,
    live: LiveState,
    usage: RequestProgress,
    received: Pick<ReceivedRequest, 'head'>,
  ) {
    this.snapshot = snapshot
    this.route = route
    this.live = live
    this.attempts = usage.attempts
    this.#usage = usage
    this.#received = received
  }

  /** By what has passed: a clock that is set must not take a request's time, or give it more. */
  get deadlineAtMs(): number {
    return this.nowMs + this.route.timeouts.totalMs - this.#usage.elapsedMs
  }

  get rotations(): LiveState['rotations'] {
    return this.live.rotations
  }

  get random(): () => number {
    return this.live.random
  }

  get hasRepeat(): boolean {
    return this.live.hasRepeat(this.route.id)
  }

  get prefixHash(): number | null {
    const { head } = this.#received
    if (head.length === 0) return null
    this.#prefixHash ??= hashOf(promptStart(join(beginning(head, searchedBytes))))
    return this.#prefixHash
  }
}

/** Where the prompt begins, as far as that tells: behind parameters, which differ from call to call. */
function promptStart(body: Buffer): Buffer {
  for (const name of ['"messages"', '"input"', '"prompt"', '"query"']) {
    const at = body.indexOf(name, 0, 'latin1')
    if (at >= 0) return body.subarray(at, at + prefixBytes)
  }
  return body.subarray(0, prefixBytes)
}

/** FNV-1a. */
function hashOf(bytes: Buffer): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
