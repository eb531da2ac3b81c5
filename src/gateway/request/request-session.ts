import type { Session } from '../../routing/select-target.ts'
import type { Sessions } from '../live/sessions.ts'
import { join } from '../relay.ts'
import { beginning } from '../splice.ts'

/** The session that a request belongs to, by the value that its client gave. */
export class RequestSession implements Session {
  readonly #sessions: Sessions
  readonly #routeId: string
  readonly #value: string

  constructor(sessions: Sessions, routeId: string, value: string) {
    this.#sessions = sessions
    this.#routeId = routeId
    this.#value = value
  }

  get targetId(): string | null {
    return this.#sessions.find(this.#routeId, this.#value)
  }

  keep(targetId: string): void {
    this.#sessions.keep(this.#routeId, this.#value, targetId)
  }
}

/** An answer's id stands at its beginning, and at that of a stream's first event. */
const searchedBytes = 4_096
const firstId = /"id"\s*:\s*"([^"\\]{1,256})"/

/** The id of an answer to `/v1/responses` whose first bytes these are; null: there is none yet. */
export function answerIdOf(chunks: readonly Buffer[]): string | null {
  return firstId.exec(join(beginning(chunks, searchedBytes)).toString('latin1'))?.[1] ?? null
}
