import type { RateDemand } from '../../routing/limits/rate-bucket.ts'
import type { Operation } from '../../routing/vendors/operation.ts'
import type { ReceivedRequest } from '../body/received.ts'
import { join } from '../answer/relay.ts'
import { topLevelMembers } from '../body/session-scan.ts'

/** What a request without a cap of its own is expected to write at most. */
const usualOutputTokens = 4_096
/** A prompt of more bytes is no text of its own: it has images in it. */
const largestPromptTokens = 200_000
const bytesPerToken = 4

const caps = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] as const
const choices = ['n', 'best_of'] as const

/** The most that a request may use, as far as it states that. The body is searched only on demand, and once. */
export class RequestDemand implements RateDemand {
  readonly #received: ReceivedRequest
  readonly #operation: Operation
  #output: { readonly cap: number | null; readonly choices: number } | null = null

  constructor(received: ReceivedRequest, operation: Operation) {
    this.#received = received
    this.#operation = operation
  }

  /** Input and output. */
  get tokens(): number {
    return this.inputTokens(null) + this.outputTokens(null)
  }

  /** By the length of the body; at most what the model takes (`contextTokens`; null: not known). */
  inputTokens(contextTokens: number | null): number {
    const { head, size } = this.#received
    if (head.length === 0 || !this.#operation.writesText) return 0
    return Math.min(Math.ceil(size / bytesPerToken), contextTokens ?? largestPromptTokens)
  }

  /** By its own cap, else the usual one; at most what the model takes. */
  outputTokens(contextTokens: number | null): number {
    if (!writesTokens(this.#operation)) return 0
    const { cap, choices } = this.#stated
    return Math.min(cap ?? usualOutputTokens, contextTokens ?? Infinity) * choices
  }

  /** How many answers it asks for, e.g. images. */
  get choices(): number {
    return this.#stated.choices
  }

  /** Of its body. */
  get bytes(): number {
    return this.#received.size
  }

  get #stated(): { readonly cap: number | null; readonly choices: number } {
    this.#output ??= outputOf(this.#received)
    return this.#output
  }
}

/** Whether its answers are counted in output tokens. */
function writesTokens({ usage, path }: Operation): boolean {
  if (path.endsWith('/count_tokens')) return false
  return usage === 'completion' || usage === 'inputOutput' || usage === 'message'
}

function outputOf({ head }: ReceivedRequest): { cap: number | null; choices: number } {
  if (head.length === 0) return { cap: null, choices: 1 }
  const members = topLevelMembers(join(head), [...caps, ...choices])
  const numbers = (names: readonly ((typeof caps)[number] | (typeof choices)[number])[]) =>
    names.map((name) => wholeNumber(members.get(name))).filter((value) => value !== null)
  const stated = numbers(caps)
  return { cap: stated.length > 0 ? Math.max(...stated) : null, choices: Math.max(1, ...numbers(choices)) }
}

/** More is asked for by clients that want no bound. */
const mostMeant = 100_000_000

/** A value that is not a whole number from 1 on is left to the upstream. */
function wholeNumber(raw: Buffer | undefined): number | null {
  if (!raw || raw.length > 40) return null
  const value = Number(raw.toString('latin1').trim())
  return Number.isInteger(value) && value > 0 ? Math.min(value, mostMeant) : null
}
