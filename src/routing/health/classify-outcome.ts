/** Classifies the outcome of an attempt, by the table in `docs/errors.md`. */
import { longestOpenMs } from './circuit.ts'
import {
  isTooLarge,
  lacksOperation,
  readUpstreamError,
  saysGenerationFailed,
  speaksOfContent,
  speaksOfCredential,
  speaksOfPath,
  type UpstreamError,
} from './upstream-error.ts'
import type { FallbackTrigger } from '../config/vocabulary.ts'

/** `answer`: the answer is passed to the client unchanged. `OPERATION_NOT_SERVED`: the upstream does not have the path. */
export type Classification = FallbackTrigger | 'OPERATION_NOT_SERVED' | 'answer'

/** Of an answer whose body was not read. */
const unread: UpstreamError = { message: '', codes: [], hasFlags: false }

/**
 * The meaning of an answer with this status. `error` is the error in its body; null if the body has none. `watchesContextLength`:
 * whether the route's triggers include `CONTEXT_LENGTH`.
 */
export function classifyStatus(
  status: number,
  error: UpstreamError | null = unread,
  watchesContextLength = false,
): Classification {
  if (status < 300) return 'answer'
  // Redirects are not followed, because they could lead to any address.
  if (status < 400) return 'SERVER_ERROR'
  if (status >= 500) return status === 501 && error && lacksOperation(error) ? 'OPERATION_NOT_SERVED' : 'SERVER_ERROR'
  switch (status) {
    case 408:
    case 425:
      return 'SERVER_ERROR'
    case 401:
    case 402:
      return 'UPSTREAM_AUTH'
    case 403:
      return error && speaksOfContent(error) ? 'answer' : 'UPSTREAM_AUTH'
    case 404:
      return speaksOfPath(error) ? 'OPERATION_NOT_SERVED' : 'UPSTREAM_NOT_FOUND'
    case 405:
      return 'OPERATION_NOT_SERVED'
    case 429:
      return error && isTooLarge(error) ? 'answer' : 'RATE_LIMITED'
    default:
      return classifyRefusal(status, error, watchesContextLength)
  }
}

function classifyRefusal(status: number, error: UpstreamError | null, watchesContextLength: boolean): Classification {
  if (!error) return 'answer'
  if (status === 400 && speaksOfCredential(error)) return 'UPSTREAM_AUTH'
  if (status === 424 && saysGenerationFailed(error)) return 'SERVER_ERROR'
  return watchesContextLength && mayMeanContextLength(status) && isContextLength(error) ? 'CONTEXT_LENGTH' : 'answer'
}

/** The fallback trigger of an attempt without an answer. */
export function triggerOf(classification: Exclude<Classification, 'answer'>): FallbackTrigger {
  return classification === 'OPERATION_NOT_SERVED' ? 'UPSTREAM_NOT_FOUND' : classification
}

/** No usable answer: a deadline of ours passed, or the connection failed. */
export function classifyFailure(isTimeout: boolean): FallbackTrigger {
  return isTimeout ? 'TIMEOUT' : 'CONNECT_ERROR'
}

/** Statuses whose body can say that the prompt was too long: 400; TGI validates with 422. */
function mayMeanContextLength(status: number): boolean {
  return status === 400 || status === 422
}

/**
 * Whether the upstream caused the failure. A 404 does not count: a client can cause it with an operation that the upstream does not
 * have, and must not eject a backend for others.
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
    case 'OPERATION_NOT_SERVED':
    case 'SATURATED':
    case 'UNAVAILABLE':
    case 'CONTEXT_LENGTH':
    case 'answer':
      return false
  }
}

/** Whether the credential that was sent is benched for it. */
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

/** Parses the date forms of HTTP. `Date.parse` accepts other texts too, e.g. `-1`, and reads a date without a zone as local time. */
function parseHttpDate(text: string): number {
  if (!/^[A-Z][a-z]+,? .*\d\d:\d\d:\d\d/.test(text)) return NaN
  return Date.parse(/(GMT|UTC|[+-]\d{4})$/.test(text) ? text : `${text} GMT`)
}

/**
 * Codes and types of a prompt that exceeds the context: OpenAI, Azure and Groq (`context_length_exceeded`,
 * https://platform.openai.com/docs/guides/error-codes), llama.cpp (`exceed_context_size_error`, its server's README).
 */
const contextLengthCodes = new Set(['context_length_exceeded', 'exceed_context_size_error'])

/** The sentences of servers without such a code, as each server writes them. */
const contextLengthSentences = [
  // Anthropic, https://docs.anthropic.com/en/docs/build-with-claude/context-windows
  /\bprompt is too long\b/i,
  /\binput length and `?max_tokens`? exceed context limit\b/i,
  // vLLM, DeepSeek and OpenRouter; vLLM; SGLang; TGI; xAI
  /\bmaximum context length\b/i,
  /\blonger than the maximum model length\b/i,
  /\blonger than the model's context length\b/i,
  /\b`?inputs`? (tokens \+ `?max_new_tokens`? must be <=|must have less than \d+ tokens)/i,
  /\bmaximum prompt length is \d+/i,
  // LM Studio
  /\bcannot truncate prompt with n_keep\b/i,
  /\bgreater than the context length\b/i,
  /\bcontext (?:size|length) has been exceeded\b/i,
  // Gemini; Bedrock; Moonshot; Qwen
  /\binput token count .{0,40}exceeds the maximum number of tokens\b/i,
  /\binput is too long for requested model\b/i,
  /\bexceeded model token limit\b/i,
  /\brange of input length should be\b/i,
]

/** Whether an error says that the prompt exceeds the model's context. */
export function isContextLength({ codes, message }: UpstreamError): boolean {
  if (codes.some((code) => contextLengthCodes.has(code))) return true
  return contextLengthSentences.some((sentence) => sentence.test(message))
}

/** Whether a body says that the prompt exceeds the context; false if it is not JSON. */
export function saysContextLength(body: string): boolean {
  const error = readUpstreamError(body)
  return error !== null && isContextLength(error)
}
