import type { BilledUsage } from '../../routing/usage/cost.ts'
import type { Operation } from '../../routing/vendors/operation.ts'
import { countTokens, type TokenCount } from '../../routing/usage/token-count.ts'
import type { AnswerReading } from './reading.ts'
import type { ReceivedRequest } from '../body/received.ts'

/** An answer that began to go to the client. */
export interface PassedAnswer {
  readonly operation: Operation
  readonly isStream: boolean
  readonly reading: AnswerReading
  readonly isWhole: boolean
  readonly request: ReceivedRequest
}

/** What an answer took, and how its tokens are known. */
export interface AnswerUsage extends BilledUsage, TokenCount {}

/** What a request took; null: nothing was served, or nothing that is counted. */
export function usageOf(answer: PassedAnswer | null): AnswerUsage | null {
  if (!answer || answer.operation.usage === 'none') return null
  const { provenance, tokens } = countAnswer(answer)
  const { images, audioSeconds, searchUnits, serviceTier, cacheWriteLongTokens } = answer.reading.reportedRest()
  return {
    provenance,
    tokens,
    images,
    audioSeconds,
    characters: answer.operation.readsAloud ? charactersOf(answer.request) : null,
    searchUnits,
    serviceTier,
    cacheWriteLongTokens: Math.min(cacheWriteLongTokens, tokens?.cacheWriteTokens ?? 0),
  }
}

function countAnswer({ operation, isStream, reading, isWhole, request }: PassedAnswer): TokenCount {
  const { bytes } = reading
  let sampled = 0
  const prompt = () => {
    const text = request.promptText()
    sampled = text.length
    return text
  }
  const count = countTokens({
    kind: operation.usage,
    isStream,
    isWhole,
    reported: reading.reportedTokens(),
    isReportFinal: reading.isReportFinal,
    isText: operation.writesText && reading.isReadable,
    bytes: bytes.total,
    head: bytes.head(),
    tail: bytes.tail(),
    prompt,
  })
  return sampled > 0 && sampled < request.size ? scaled(count, request.size / sampled) : count
}

/** What the beginning of a long prompt has, the rest is taken to have as well. */
function scaled(count: TokenCount, factor: number): TokenCount {
  const { tokens } = count
  return tokens ? { ...count, tokens: { ...tokens, inputTokens: Math.ceil(tokens.inputTokens * factor) } } : count
}

/** Speech is paid by the text that was read, and no answer says how long that was. Null: only its beginning is known. */
function charactersOf(request: ReceivedRequest): number | null {
  const text = request.promptText()
  if (text.length < request.size) return null
  try {
    const body: unknown = JSON.parse(Buffer.from(text, 'latin1').toString())
    const input: unknown = typeof body === 'object' && body !== null ? (body as { input?: unknown }).input : undefined
    return typeof input === 'string' ? countCharacters(input) : null
  } catch {
    return null
  }
}

/** Code points: what needs two units of UTF-16 is one character. */
function countCharacters(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
