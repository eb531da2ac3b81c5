/**
 * What upstreams say that a request took, found in the first and last bytes of their answers.
 *
 * OpenAI: https://platform.openai.com/docs/api-reference/chat/object and …/responses/object; Anthropic:
 * https://docs.anthropic.com/en/api/messages and …/docs/build-with-claude/streaming; Cohere: https://docs.cohere.com/reference/rerank.
 */
import type { UsageKind } from './operation.ts'
import type { TokenUsage } from './usage-record.ts'

/** The begin and the end of an answer's bytes, as latin1 strings: one character per byte. They may overlap. */
export interface AnswerEnds {
  readonly head: string
  readonly tail: string
}

type Json = Readonly<Record<string, unknown>>

/** What the upstream reported, or null: nothing, or nothing that makes sense. */
export function findReportedTokens(kind: UsageKind, { head, tail }: AnswerEnds): TokenUsage | null {
  if (kind === 'none') return null
  if (kind === 'message') return readMessageUsage(findUsage(head, 'first'), findUsage(tail, 'last'))
  const usage = findUsage(tail, 'last') ?? findUsage(head, 'last')
  const tokens = usage && readUsage(usage)
  if (tokens || kind !== 'rerank') return tokens
  return readMetaTokens(tail) ?? readMetaTokens(head)
}

/** The first or last `"usage"` object with a count in it. In a text that a model wrote its quotes would be escaped. */
function findUsage(text: string, which: 'first' | 'last'): Json | null {
  const next = which === 'last' ? findBefore : findAfter
  for (let at = next(text, undefined); at >= 0; at = next(text, at)) {
    const start = startOfValue(text, at + usageName.length)
    const usage = text[start] === '{' ? parseObjectAt(text, start) : null
    if (usage && hasCount(usage)) return usage
  }
  return null
}

const usageName = '"usage"'

function findBefore(text: string, from: number | undefined): number {
  return from === 0 ? -1 : text.lastIndexOf(usageName, from === undefined ? undefined : from - 1)
}

function findAfter(text: string, from: number | undefined): number {
  return text.indexOf(usageName, from === undefined ? 0 : from + 1)
}

/** Behind the colon and the blanks that follow a name. */
function startOfValue(text: string, from: number): number {
  let at = skipBlanks(text, from)
  if (text[at] === ':') at = skipBlanks(text, at + 1)
  return at
}

function skipBlanks(text: string, from: number): number {
  let at = from
  while (text.charCodeAt(at) <= 0x20) at++
  return at
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

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d

/** The object that begins there; null if its end is cut off. */
function parseObjectAt(text: string, start: number): Json | null {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === quote) at = endOfString(text, at)
    else if (char === openBrace) depth++
    else if (char === closeBrace && --depth === 0) return parseObject(text.slice(start, at + 1))
  }
  return null
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  for (let char = text.charCodeAt(at); at < text.length && char !== quote; char = text.charCodeAt(at))
    at += char === backslash ? 2 : 1
  return at
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
function readMessageUsage(first: Json | null, last: Json | null): TokenUsage | null {
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
