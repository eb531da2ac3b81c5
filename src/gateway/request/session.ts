import type { Session } from '../../routing/choose/select-target.ts'
import type { Sessions } from '../live/sessions.ts'
import { join } from '../answer/relay.ts'
import { beginning } from '../body/splice.ts'

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
const searchedLength = 4_096
const firstId = /"id"\s*:\s*"([^"\\]{1,256})"/

/** The id of an answer to `/v1/responses` that begins with `text`, one character each byte; null: it does not stand there. */
export function answerIdOf(text: string): string | null {
  return firstId.exec(text.slice(0, searchedLength))?.[1] ?? null
}

/** The same of what came so far. */
export function answerIdIn(chunks: readonly Buffer[]): string | null {
  return answerIdOf(join(beginning(chunks, searchedLength)).toString('latin1'))
}
