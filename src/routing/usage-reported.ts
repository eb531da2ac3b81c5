/**
 * What upstreams say that a request took, found in the first and last bytes of their answers.
 *
 * OpenAI: https://platform.openai.com/docs/api-reference/chat/object and …/responses/object; Anthropic:
 * https://docs.anthropic.com/en/api/messages and …/docs/build-with-claude/streaming; Cohere: https://docs.cohere.com/reference/rerank.
 */
import { endOfBlock, endOfEvent } from './answer-text.ts'
import type { UsageKind } from './operation.ts'
import { saysWritten } from './usage-estimate.ts'
import type { TokenUsage } from './usage-record.ts'

/** The begin and the end of an answer's bytes, as latin1 strings: one character per byte. They may overlap. */
export interface AnswerEnds {
  readonly head: string
  readonly tail: string
  readonly isStream: boolean
}

export interface ReportedTokens {
  readonly tokens: TokenUsage
  /** Whether it is the whole answer's: in a stream, numbers that more was written behind are only how far it was. */
  readonly isFinal: boolean
}

type Json = Readonly<Record<string, unknown>>

/** What the upstream reported, or null: nothing, or nothing that makes sense. */
export function findReportedTokens(kind: UsageKind, ends: AnswerEnds): ReportedTokens | null {
  if (kind === 'none') return null
  const { head, tail, isStream } = ends
  const last = findUsage(tail, 'last')
  const tokens = kind === 'message' ? readMessage(findUsage(head, 'first'), last) : readOne(kind, last, ends)
  return tokens && { tokens, isFinal: !isStream || (last !== null && isFinal(kind, last, tail)) }
}

function readOne(kind: UsageKind, last: FoundUsage | null, { head, tail }: AnswerEnds): TokenUsage | null {
  const found = last ?? findUsage(head, 'last')
  const tokens = found && readUsage(found.usage)
  if (tokens || kind !== 'input') return tokens
  return readMetaTokens(tail) ?? readMetaTokens(head)
}

function isFinal(kind: UsageKind, { usage, start }: FoundUsage, tail: string): boolean {
  if (saysWritten(tail.slice(endOfEvent(tail, start)))) return false
  if (kind !== 'message') return true
  // The output in the first event stands for what is yet to come.
  const isFirst = tail.lastIndexOf('message_start', start) > tail.lastIndexOf('message_delta', start)
  return !isFirst && toCount(usage['output_tokens']) !== undefined
}

interface FoundUsage {
  readonly usage: Json
  /** Where it begins. */
  readonly start: number
}

/** The first or last `"usage"` object with a count in it. In a text that a model wrote its quotes would be escaped. */
function findUsage(text: string, which: 'first' | 'last'): FoundUsage | null {
  const next = which === 'last' ? findBefore : findAfter
  let tries = 0
  for (let at = next(text, undefined); at >= 0 && tries < maxTries; at = next(text, at)) {
    beginOfUsage.lastIndex = at
    if (!beginOfUsage.test(text)) continue
    tries++
    const start = beginOfUsage.lastIndex
    const usage = parseObjectAt(text, start)
    if (usage && hasCount(usage)) return { usage, start }
  }
  return null
}

/** Of objects without a count, or without an end: each may be as long as the text. */
const maxTries = 16
const usageName = '"usage"'
/** Up to its brace. The JSON of an event may go on in a new `data` line wherever it has a blank. */
const beginOfUsage = /"usage"(?:\s|[\r\n]data:)*:(?:\s|[\r\n]data:)*(?=\{)/y
const continuedLine = /[\r\n]data:/g

function findBefore(text: string, from: number | undefined): number {
  return from === 0 ? -1 : text.lastIndexOf(usageName, from === undefined ? undefined : from - 1)
}

function findAfter(text: string, from: number | undefined): number {
  return text.indexOf(usageName, from === undefined ? 0 : from + 1)
}

/** No request takes more tokens than this: a larger number would only spoil the sums. */
const maxTokens = 1_000_000_000

function hasCount(usage: Json): boolean {
  return someCount(usage, (count) => count >= 0)
}

/** Where one number makes no sense, the others are not to be trusted either. */
function hasTooMany(usage: Json): boolean {
  return someCount(usage, (count) => count > maxTokens)
}

function someCount(usage: Json, test: (count: number) => boolean): boolean {
  for (const name in usage) {
    const count = usage[name]
    if (name.endsWith('tokens') && typeof count === 'number' && test(count)) return true
  }
  return false
}

/** The object that begins there; null if its end is cut off. */
function parseObjectAt(text: string, start: number): Json | null {
  const end = endOfBlock(text, start)
  if (end < 0) return null
  const json = text.slice(start, end)
  return parseObject(json) ?? parseObject(json.replace(continuedLine, ''))
}

function parseObject(json: string): Json | null {
  try {
    return asObject(JSON.parse(json))
  } catch {
    return null
  }
}

function asObject(value: unknown): Json | null {
  return typeof value === 'object' && value !== null ? (value as Json) : null
}

/** A whole number of tokens; undefined if it is none. */
function toCount(value: unknown): number | undefined {
  if (typeof value !== 'number' || !(value >= 0) || value > maxTokens) return undefined
  return Math.round(value)
}

function readUsage(usage: Json): TokenUsage | null {
  if (hasTooMany(usage)) return null
  const total = toCount(usage['total_tokens'])
  const input = toCount(usage['prompt_tokens']) ?? toCount(usage['input_tokens'])
  const output = toCount(usage['completion_tokens']) ?? toCount(usage['output_tokens'])
  if (total === undefined && input === undefined && output === undefined) return null
  const inputTokens = input ?? Math.max(0, (total ?? 0) - (output ?? 0))
  const outputDetails = asObject(usage['completion_tokens_details']) ?? asObject(usage['output_tokens_details'])
  return toTokenUsage({
    inputTokens,
    cachedInputTokens: readCached(usage),
    // Some leave the reasoning out of the output, but never out of the total.
    outputTokens: Math.max(output ?? 0, (total ?? 0) - inputTokens),
    reasoningTokens: toCount(outputDetails?.['reasoning_tokens']) ?? toCount(usage['reasoning_tokens']) ?? 0,
  })
}

function readCached(usage: Json): number {
  const details =
    asObject(usage['prompt_tokens_details']) ??
    asObject(usage['input_tokens_details']) ??
    asObject(usage['input_token_details'])
  return (
    toCount(details?.['cached_tokens']) ??
    toCount(usage['prompt_cache_hit_tokens']) ??
    toCount(usage['cached_tokens']) ??
    0
  )
}

/**
 * Anthropic counts what was read from its cache, or written to it, beside the input. In a stream the input comes in the first
 * event and the output, as a running total, in the last one; a plain answer has both in one place.
 */
function readMessage(begin: FoundUsage | null, end: FoundUsage | null): TokenUsage | null {
  const first = begin?.usage
  const last = end?.usage
  if ((first && hasTooMany(first)) || (last && hasTooMany(last))) return null
  const output = toCount(last?.['output_tokens']) ?? toCount(first?.['output_tokens'])
  const uncached = toCount(last?.['input_tokens']) ?? toCount(first?.['input_tokens'])
  if (output === undefined || uncached === undefined) return null
  const ofCache = (name: string) => toCount(last?.[name]) ?? toCount(first?.[name]) ?? 0
  const cachedInputTokens = ofCache('cache_read_input_tokens')
  const inputTokens = toCount(uncached + cachedInputTokens + ofCache('cache_creation_input_tokens'))
  if (inputTokens === undefined) return null
  return toTokenUsage({
    inputTokens,
    cachedInputTokens,
    outputTokens: output,
    reasoningTokens: 0,
  })
}

/** Cohere's rerank: `"meta":{"tokens":{"input_tokens":…}}`. */
function readMetaTokens(text: string): TokenUsage | null {
  const match = [...text.matchAll(/"tokens"\s*:\s*\{/g)].at(-1)
  const tokens = match && parseObjectAt(text, match.index + match[0].length - 1)
  return tokens ? readUsage(tokens) : null
}

/** Parts are never more than their whole. */
function toTokenUsage(tokens: TokenUsage): TokenUsage {
  return {
    ...tokens,
    cachedInputTokens: Math.min(tokens.cachedInputTokens, tokens.inputTokens),
    reasoningTokens: Math.min(tokens.reasoningTokens, tokens.outputTokens),
  }
}
