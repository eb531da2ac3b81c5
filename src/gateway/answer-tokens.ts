import type { Operation } from '../routing/operation.ts'
import { countTokens, noTokens, type TokenCount } from '../routing/usage-count.ts'
import type { AnswerReading } from './answer-reading.ts'
import type { ReceivedRequest } from './received-request.ts'

/** An answer that began to go to the client. */
export interface PassedAnswer {
  readonly operation: Operation
  readonly isStream: boolean
  readonly reading: AnswerReading
  readonly isWhole: boolean
  readonly request: ReceivedRequest
}

/** The tokens of a request; `answer` is null if nothing was served. */
export function tokensOf(answer: PassedAnswer | null): TokenCount {
  if (!answer || answer.operation.usage === 'none') return noTokens
  const { operation, isStream, reading, isWhole, request } = answer
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
