/**
 * What upstreams say that a request took, added up over all places of an answer in which they say it.
 *
 * OpenAI: https://platform.openai.com/docs/api-reference/chat/object and …/responses/object; Anthropic:
 * https://docs.anthropic.com/en/api/messages and …/docs/build-with-claude/streaming; Cohere: https://docs.cohere.com/reference/rerank.
 */
import type { UsageKind } from '../vendors/operation.ts'
import type { TokenUsage } from './record.ts'

type Json = Readonly<Record<string, unknown>>

/** No request uses more tokens than this: a larger number is nonsense and would falsify the sums. */
const maxTokens = 1_000_000_000

const countNames = [
  'total',
  'input',
  'output',
  'cached',
  'cacheRead',
  'cacheWritten',
  'cacheWrittenLong',
  'reasoning',
] as const
type CountName = (typeof countNames)[number]
/** Undefined: it was not reported. */
type Counts = Record<CountName, number | undefined>

export class UsageTally {
  readonly #kind: UsageKind
  #counts: Counts | null = null
  /** If one number is nonsense, the others are not trusted either. */
  #isSpoilt = false
  #isFinal = false

  constructor(kind: UsageKind) {
    this.#kind = kind
  }

  /** Whether no text followed the last counts, so that they are those of the whole answer. */
  get isFinal(): boolean {
    return this.#isFinal
  }

  /** Called when more text follows: the counts so far were only intermediate. */
  goOn(): void {
    this.#isFinal = false
  }

  /**
   * Adds what one place reports. A count is never replaced by a smaller one of the same answer: some upstreams repeat the names with
   * zeros. `mayBeFinal`: it may be the whole answer's.
   */
  add(usage: Json, mayBeFinal: boolean): void {
    if (!hasCount(usage)) return
    this.#isSpoilt ||= hasNonsense(usage)
    const counts = readCounts(usage)
    const before = this.#counts
    this.#counts = before ? greater(before, counts) : counts
    const isSmaller = (counts.output ?? 0) < (before?.output ?? 0)
    if (!mayBeFinal || (this.#kind === 'message' && counts.output === undefined)) this.#isFinal = false
    else if (!isSmaller) this.#isFinal = true
  }

  /** The tokens; null if none were reported, or only nonsense. */
  tokens(): TokenUsage | null {
    if (!this.#counts || this.#isSpoilt) return null
    return this.#kind === 'message' ? messageTokens(this.#counts) : plainTokens(this.#counts)
  }

  /** Of the tokens written to a cache, those for an hour. */
  get cacheWriteLongTokens(): number {
    return this.#counts?.cacheWrittenLong ?? 0
  }
}

function greater(a: Counts, b: Counts): Counts {
  const all = { ...a }
  for (const name of countNames) {
    const count = b[name]
    if (count !== undefined && count > (all[name] ?? -1)) all[name] = count
  }
  return all
}

function hasCount(usage: Json): boolean {
  return someCount(usage, (count) => count >= 0)
}

/** Whether a count is nonsense: a placeholder for an unknown number, or far too large. */
function hasNonsense(usage: Json): boolean {
  return someCount(usage, (count) => !(count >= 0 && count <= maxTokens))
}

function someCount(usage: Json, test: (count: number) => boolean): boolean {
  for (const name in usage) {
    const count = usage[name]
    if (name.endsWith('tokens') && typeof count === 'number' && test(count)) return true
  }
  return false
}

function asObject(value: unknown): Json | null {
  return typeof value === 'object' && value !== null ? (value as Json) : null
}

/** A number of tokens; undefined if the value is not a whole number. */
function toCount(value: unknown): number | undefined {
  if (typeof value !== 'number' || !(value >= 0) || value > maxTokens) return undefined
  return Math.round(value)
}

/** Returns objects with the same members in the same order, which is fast: every request calls this. */
function readCounts(usage: Json): Counts {
  const input = inputDetailsOf(usage)
  const output = asObject(usage['completion_tokens_details']) ?? asObject(usage['output_tokens_details'])
  const lifetimes = asObject(usage['cache_creation'])
  return {
    total: toCount(usage['total_tokens']),
    input: toCount(usage['prompt_tokens']) ?? toCount(usage['input_tokens']),
    output: toCount(usage['completion_tokens']) ?? toCount(usage['output_tokens']),
    cached: readCached(usage, input),
    cacheRead: toCount(usage['cache_read_input_tokens']),
    cacheWritten: readCacheWritten(usage, input, lifetimes),
    cacheWrittenLong: toCount(lifetimes?.['ephemeral_1h_input_tokens']),
    reasoning: toCount(output?.['reasoning_tokens']) ?? toCount(usage['reasoning_tokens']),
  }
}

/** Anthropic's names, and those of servers that report such caches in OpenAI's form. */
function readCacheWritten(usage: Json, details: Json | null, lifetimes: Json | null): number | undefined {
  return (
    toCount(usage['cache_creation_input_tokens']) ??
    toCount(details?.['cache_write_tokens']) ??
    toCount(details?.['cache_creation_tokens']) ??
    (lifetimes ? sumOfLifetimes(lifetimes) : undefined)
  )
}

function sumOfLifetimes(lifetimes: Json): number | undefined {
  const short = toCount(lifetimes['ephemeral_5m_input_tokens'])
  const long = toCount(lifetimes['ephemeral_1h_input_tokens'])
  return short === undefined && long === undefined ? undefined : toCount((short ?? 0) + (long ?? 0))
}

function readCached(usage: Json, details: Json | null): number | undefined {
  return (
    toCount(details?.['cached_tokens']) ?? toCount(usage['prompt_cache_hit_tokens']) ?? toCount(usage['cached_tokens'])
  )
}

function inputDetailsOf(usage: Json): Json | null {
  return (
    asObject(usage['prompt_tokens_details']) ??
    asObject(usage['input_tokens_details']) ??
    asObject(usage['input_token_details'])
  )
}

function plainTokens({ total, input, output, cached, cacheRead, cacheWritten, reasoning }: Counts): TokenUsage | null {
  if (total === undefined && input === undefined && output === undefined) return null
  const inputTokens = input ?? Math.max(0, (total ?? 0) - (output ?? 0))
  return toTokenUsage({
    inputTokens,
    cachedInputTokens: cached ?? cacheRead ?? 0,
    cacheWriteTokens: cacheWritten ?? 0,
    // Some servers leave reasoning tokens out of the output, but never out of the total.
    outputTokens: Math.max(output ?? 0, (total ?? 0) - inputTokens),
    reasoningTokens: reasoning ?? 0,
  })
}

/**
 * Anthropic counts what was read from its cache, or written to it, beside the input. In a stream the input comes in the first
 * event and the output, as a running total, in the last one; a plain answer has both in one place.
 */
function messageTokens({ input, output, cacheRead = 0, cacheWritten = 0, reasoning = 0 }: Counts): TokenUsage | null {
  if (output === undefined || input === undefined) return null
  const inputTokens = toCount(input + cacheRead + cacheWritten)
  if (inputTokens === undefined) return null
  return toTokenUsage({
    inputTokens,
    cachedInputTokens: cacheRead,
    cacheWriteTokens: cacheWritten,
    outputTokens: output,
    reasoningTokens: reasoning,
  })
}

/** Parts are never more than their whole. */
function toTokenUsage(tokens: TokenUsage): TokenUsage {
  const cachedInputTokens = Math.min(tokens.cachedInputTokens, tokens.inputTokens)
  return {
    ...tokens,
    cachedInputTokens,
    cacheWriteTokens: Math.min(tokens.cacheWriteTokens, tokens.inputTokens - cachedInputTokens),
    reasoningTokens: Math.min(tokens.reasoningTokens, tokens.outputTokens),
  }
}
