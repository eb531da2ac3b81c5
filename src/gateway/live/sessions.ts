import { hash } from 'node:crypto'
import { monotonicMs } from '../loop/monotonic.ts'

const mostSessions = 50_000
const mostAnswers = 50_000
const answerRememberedMs = 3_600_000

/**
 * Which target a session of a route is kept at, and which target made an answer that later requests may refer to. Values are
 * clients' own, so that only hashes of them are kept; the ones that were used least recently are forgotten.
 */
export class Sessions {
  readonly #now: () => number
  readonly #targets = new Map<string, string>()
  readonly #answers = new Map<string, { readonly targetId: string; readonly untilMs: number }>()

  constructor(now: () => number = monotonicMs) {
    this.#now = now
  }

  get size(): number {
    return this.#targets.size + this.#answers.size
  }

  /** The target that a session is kept at; null: it is new. */
  find(routeId: string, value: string): string | null {
    const key = keyOf(routeId, value)
    return this.#findAnswer(key) ?? this.#findTarget(key)
  }

  keep(routeId: string, value: string, targetId: string): void {
    const key = keyOf(routeId, value)
    // The target that made the answer may have lost its state, or be no longer there.
    this.#answers.delete(key)
    this.#targets.delete(key)
    this.#targets.set(key, targetId)
    dropOldest(this.#targets, mostSessions)
  }

  /** An answer with this id was made by the target, where its state is. */
  rememberAnswer(routeId: string, answerId: string, targetId: string): void {
    const key = keyOf(routeId, answerId)
    this.#answers.delete(key)
    this.#answers.set(key, { targetId, untilMs: this.#now() + answerRememberedMs })
    dropOldest(this.#answers, mostAnswers)
  }

  #findAnswer(key: string): string | null {
    const answer = this.#answers.get(key)
    return answer && this.#now() < answer.untilMs ? answer.targetId : null
  }

  #findTarget(key: string): string | null {
    const targetId = this.#targets.get(key)
    if (targetId === undefined) return null
    this.#targets.delete(key)
    this.#targets.set(key, targetId)
    return targetId
  }
}

function keyOf(routeId: string, value: string): string {
  return hash('sha256', `${routeId}\0${value}`, 'base64url').slice(0, 24)
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return
    map.delete(key)
  }
}
