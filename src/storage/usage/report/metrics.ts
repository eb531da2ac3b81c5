import type { Percentiles } from '../../../routing/usage/latency-sketch.ts'

/** What a row of a report counts. */
export interface UsageMetrics {
  readonly requests: number
  readonly attempts: number
  readonly failures: number
  readonly fallbacks: number
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly cacheWriteTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly images: number
  readonly audioSeconds: number
  readonly characters: number
  readonly estimatedRequests: number
  /** USD, an exact decimal; null if no request had a price. */
  readonly cost: string | null
  readonly firstByteMs: Percentiles | null
  readonly durationMs: Percentiles | null
}
