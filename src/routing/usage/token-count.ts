import type { UsageKind } from '../vendors/operation.ts'
import { type AnswerSample, estimateAnswerTokens, estimatePromptTokens, estimateTypedStreamTokens } from './estimate.ts'
import type { TokenUsage } from './record.ts'
import type { UsageProvenance } from '../config/vocabulary.ts'

/** An answer that has begun. */
export interface CountedAnswer extends AnswerSample {
  readonly kind: UsageKind
  readonly isStream: boolean
  /** Whether the answer ended completely. */
  readonly isWhole: boolean
  /** The tokens that the upstream reported; null if none or nonsense. */
  readonly reported: TokenUsage | null
  /** Whether these are the counts of the whole answer, and not intermediate ones. */
  readonly isReportFinal: boolean
  /** Whether its tokens can be estimated: it is JSON or a stream, and contains text. */
  readonly isText: boolean
  /** The request's JSON as a latin1 string, empty if it was no JSON; called only if the prompt has to be estimated. */
  readonly prompt: () => string
}

export interface TokenCount {
  readonly provenance: UsageProvenance
  readonly tokens: TokenUsage | null
}

/** No tokens: nothing was served, or nothing whose tokens can be counted or estimated. */
export const noTokens: TokenCount = { provenance: 'NONE', tokens: null }

/**
 * The tokens of a request whose answer began: what upstream reported of all of it, or else, and for an answer that was broken
 * off, an estimate that is no less than what was reported until then. What cannot be read is unknown, and not estimated.
 */
export function countTokens(answer: CountedAnswer): TokenCount {
  const { kind, reported, isText } = answer
  if (kind === 'none') return noTokens
  if (reported && answer.isReportFinal && answer.isWhole) return { provenance: 'REPORTED', tokens: reported }
  if (!isText) return reported ? { provenance: 'ESTIMATED', tokens: reported } : noTokens
  return {
    provenance: 'ESTIMATED',
    tokens: {
      inputTokens: reported?.inputTokens ?? estimatePromptTokens(answer.prompt()),
      cachedInputTokens: reported?.cachedInputTokens ?? 0,
      cacheWriteTokens: reported?.cacheWriteTokens ?? 0,
      outputTokens: Math.max(reported?.outputTokens ?? 0, estimateOutput(answer)),
      reasoningTokens: reported?.reasoningTokens ?? 0,
    },
  }
}

function estimateOutput(answer: CountedAnswer): number {
  const { kind, isStream } = answer
  if (kind === 'input') return 0
  const sample = joined(answer)
  return kind === 'inputOutput' && isStream ? estimateTypedStreamTokens(sample) : estimateAnswerTokens(sample)
}

/** Joins head and tail of a completely kept answer: text across the boundary would otherwise be in neither part. */
function joined({ bytes, head, tail }: AnswerSample): AnswerSample {
  return head.length + tail.length < bytes ? { bytes, head, tail } : { bytes, head: '', tail: head + tail }
}
