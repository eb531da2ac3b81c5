/** What an attempt meant: the rows of the failure contract (DESIGN § 4.2). */
import { longestOpenMs } from './circuit.ts'
import type { FallbackTrigger } from './vocabulary.ts'

/** `answer`: it is the client's, as it came. */
export type Classification = FallbackTrigger | 'answer'

/** A status that upstream answered with. `isContextLength` is asked of 400s only, and only where the route wants to know. */
export function classifyStatus(status: number, isContextLength = false): Classification {
  switch (status) {
    case 429:
      return 'RATE_LIMITED'
    case 500:
    case 502:
    case 503:
    case 504:
    case 529:
      return 'SERVER_ERROR'
    case 401:
    case 403:
      return 'UPSTREAM_AUTH'
    case 404:
      return 'UPSTREAM_NOT_FOUND'
    default:
      return isContextLength && mayMeanContextLength(status) ? 'CONTEXT_LENGTH' : 'answer'
  }
}

/** No usable answer: a deadline of ours passed, or the connection failed. */
export function classifyFailure(isTimeout: boolean): FallbackTrigger {
  return isTimeout ? 'TIMEOUT' : 'CONNECT_ERROR'
}

/** Statuses whose body can say that the prompt was too long: 400; TGI validates with 422. */
export function mayMeanContextLength(status: number): boolean {
  return status === 400 || status === 422
}

/**
 * Whether the upstream is to blame. A 404 is not: a client causes it by an operation that the upstream does not have, and
 * must not take a backend from others.
 */
export function countsForCircuit(classification: Classification): boolean {
  switch (classification) {
    case 'CONNECT_ERROR':
    case 'TIMEOUT':
    case 'RATE_LIMITED':
    case 'SERVER_ERROR':
    case 'UPSTREAM_AUTH':
      return true
    case 'UPSTREAM_NOT_FOUND':
    case 'SATURATED':
    case 'UNAVAILABLE':
    case 'CONTEXT_LENGTH':
    case 'answer':
      return false
  }
}

/** Whether it speaks against the credential that was sent: 401, 403 and 429. */
export function benchesCredential(classification: Classification): boolean {
  return classification === 'UPSTREAM_AUTH' || classification === 'RATE_LIMITED'
}

/** `Retry-After` counts on 429 and 503 only, and for at most 5 minutes. */
export function heedsRetryAfter(status: number): boolean {
  return status === 429 || status === 503
}

/**
 * Milliseconds that a `Retry-After` asks to wait, from 0 to 5 minutes; null if it says nothing that can be read (RFC 9110
 * § 10.2.3: seconds, or a date).
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | null {
  if (value === undefined || value.length > 64) return null
  const text = value.trim()
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseHttpDate(text) - nowMs
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), longestOpenMs)
}

/** `Date.parse` alone reads far more than dates, e.g. `-1`, and the form without a zone by the clock of this place. */
function parseHttpDate(text: string): number {
  if (!/^[A-Z][a-z]+,? .*\d\d:\d\d:\d\d/.test(text)) return NaN
  return Date.parse(/(GMT|UTC|[+-]\d{4})$/.test(text) ? text : `${text} GMT`)
}

/**
 * The codes and types that say so: OpenAI, Azure and Groq (`context_length_exceeded`,
 * https://platform.openai.com/docs/guides/error-codes), llama.cpp (`exceed_context_size_error`, its server's README).
 */
const contextLengthCodes = new Set(['context_length_exceeded', 'exceed_context_size_error'])

/** The sentences of those that have no code of their own, each as its own server writes it. */
const contextLengthSentences = [
  // Anthropic, https://docs.anthropic.com/en/docs/build-with-claude/context-windows
  /\bprompt is too long\b/i,
  /\binput length and `?max_tokens`? exceed context limit\b/i,
  // vLLM, DeepSeek and OpenRouter; SGLang; TGI; xAI
  /\bmaximum context length\b/i,
  /\blonger than the model's context length\b/i,
  /\b`?inputs`? (tokens \+ `?max_new_tokens`? must be <=|must have less than \d+ tokens)/i,
  /\bmaximum prompt length is \d+/i,
  // Gemini; Bedrock; Moonshot; Qwen
  /\binput token count .{0,40}exceeds the maximum number of tokens\b/i,
  /\binput is too long for requested model\b/i,
  /\bexceeded model token limit\b/i,
  /\brange of input length should be\b/i,
]

const maxMessageLength = 4096

/** Whether the body of a 400, or the data of an error event, says that the prompt exceeds the model's context. A body that is no JSON says nothing. */
export function saysContextLength(body: string): boolean {
  const error = findError(body)
  if (!error) return false
  if (isContextLengthCode(error['code']) || isContextLengthCode(error['type'])) return true
  const message = error['message']
  if (typeof message !== 'string') return false
  const bounded = message.slice(0, maxMessageLength)
  return contextLengthSentences.some((sentence) => sentence.test(bounded))
}

function isContextLengthCode(code: unknown): boolean {
  return typeof code === 'string' && contextLengthCodes.has(code)
}

/**
 * `{"error": {…}}`; Gemini's is in a list; vLLM before 0.10, Mistral and Bedrock have it at the top; TGI's is a string; a
 * stream's `response.failed` has it in its response.
 */
function findError(body: string): Record<string, unknown> | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return null
  }
  const top = Array.isArray(parsed) ? (parsed as unknown[])[0] : parsed
  if (!isObject(top)) return null
  if (typeof top['error'] === 'string') return { message: top['error'] }
  if (isObject(top['error'])) return top['error']
  const response = top['response']
  return isObject(response) && isObject(response['error']) ? response['error'] : top
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
