import type { UsageKind } from '../vendors/operation.ts'
import { type AnswerSample, estimateAnswerTokens, estimatePromptTokens, estimateTypedStreamTokens } from './estimate.ts'
import type { TokenUsage } from './record.ts'
import type { UsageProvenance } from '../config/vocabulary.ts'

/** An answer that upstream began to give. */
export interface CountedAnswer extends AnswerSample {
  readonly kind: UsageKind
  readonly isStream: boolean
  /** Whether it came to its end. */
  readonly isWhole: boolean
  /** What upstream said of it; null: nothing that makes sense. */
  readonly reported: TokenUsage | null
  /** Whether that is all of the answer, and not only how far it was. */
  readonly isReportFinal: boolean
  /** Whether its tokens can be told from its text: it is JSON, or a stream, and what it says is text. */
  readonly isText: boolean
  /** The request's JSON as a latin1 string, empty if it was no JSON; called only if the prompt has to be estimated. */
  readonly prompt: () => string
}

export interface TokenCount {
  readonly provenance: UsageProvenance
  readonly tokens: TokenUsage | null
}

/** Nothing was served, nothing that has tokens, or nothing of which anybody could tell how many. */
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

/** An answer that was kept whole is one text: what stands across the seam would else be in neither part. */
function joined({ bytes, head, tail }: AnswerSample): AnswerSample {
  return head.length + tail.length < bytes ? { bytes, head, tail } : { bytes, head: '', tail: head + tail }
}
