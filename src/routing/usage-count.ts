import type { UsageKind } from './operation.ts'
import {
  type AnswerSample,
  estimateAnswerTokens,
  estimatePromptTokens,
  estimateTypedStreamTokens,
} from './usage-estimate.ts'
import { findReportedTokens } from './usage-reported.ts'
import type { TokenUsage } from './usage-record.ts'
import type { UsageProvenance } from './vocabulary.ts'

/** An answer that upstream began to give. */
export interface CountedAnswer extends AnswerSample {
  readonly kind: UsageKind
  readonly isStream: boolean
  /** Whether it came to its end. */
  readonly isWhole: boolean
  /** The request's JSON as a latin1 string, empty if it was no JSON; called only if the prompt has to be estimated. */
  readonly prompt: () => string
}

export interface TokenCount {
  readonly provenance: UsageProvenance
  readonly tokens: TokenUsage | null
}

/** Nothing was served, or nothing that has tokens. */
export const noTokens: TokenCount = { provenance: 'NONE', tokens: null }

/**
 * The tokens of a request whose answer began: what upstream reported of all of it, or else, and for an answer that was broken
 * off, an estimate that is no less than what was reported until then.
 */
export function countTokens(answer: CountedAnswer): TokenCount {
  if (answer.kind === 'none') return noTokens
  const sample = joined(answer)
  const { kind, isStream } = answer
  const found = findReportedTokens(kind, { head: sample.head || sample.tail, tail: sample.tail, isStream })
  const reported = found?.tokens
  if (found?.isFinal && answer.isWhole) return { provenance: 'REPORTED', tokens: found.tokens }
  return {
    provenance: 'ESTIMATED',
    tokens: {
      inputTokens: reported?.inputTokens ?? estimatePromptTokens(answer.prompt()),
      cachedInputTokens: reported?.cachedInputTokens ?? 0,
      outputTokens: Math.max(reported?.outputTokens ?? 0, estimateOutput(answer, sample)),
      reasoningTokens: reported?.reasoningTokens ?? 0,
    },
  }
}

function estimateOutput({ kind, isStream }: CountedAnswer, sample: AnswerSample): number {
  if (kind === 'input') return 0
  return kind === 'inputOutput' && isStream ? estimateTypedStreamTokens(sample) : estimateAnswerTokens(sample)
}

/** An answer that was kept whole is one text: what stands across the seam would else be in neither part. */
function joined({ bytes, head, tail }: AnswerSample): AnswerSample {
  return head.length + tail.length < bytes ? { bytes, head, tail } : { bytes, head: '', tail: head + tail }
}
