import type { AttemptRecord, UsageRecord } from '../../routing/usage/record.ts'
import { fallbackTriggers, requestOutcomes } from '../../routing/config/vocabulary.ts'
import type { ConfiguredNames } from './configured-names.ts'
import { counterSamples, type Labels, type MetricFamily, tableFamily } from './metric-family.ts'
import { type SeriesKey, SeriesTable } from './series-table.ts'
import { statusIndex, statusLabels } from './status-label.ts'

const maxSeries = 2_000

const outcomeLabels = requestOutcomes.map((outcome) => ({ outcome: outcome.toLowerCase() }))
const triggerLabels = fallbackTriggers.map((trigger) => ({ trigger: trigger.toLowerCase() }))
const attemptLabels = statusLabels.map((status) => ({ status }))
const tokenLabels = (['reported', 'estimated'] as const).flatMap((provenance) =>
  ['input', 'cached_input', 'cache_write_input', 'output', 'reasoning'].map((type) => ({ type, provenance })),
)

const outcomeIndex = indexOf(requestOutcomes)
const triggerIndex = indexOf(fallbackTriggers)

/** Counters of finished requests and their attempts. They equal the usage log. */
export class RequestCounts {
  readonly #served = new SeriesTable(maxSeries, (key) => new ServedCounts(key))
  readonly #attempts = new SeriesTable(maxSeries, (key) => new AttemptCounts(key))
  readonly #fallbacks = new SeriesTable(maxSeries, (key) => new FallbackCounts(key))

  count(record: UsageRecord): void {
    const route = record.routeName ?? ''
    this.#served.of(route, record.backendLabel ?? '', record.operation, null).count(record)
    for (const attempt of record.attempts) this.#attempts.of(route, attempt.backendLabel, '', null).count(attempt)
    const { fallbackTrigger } = record
    if (fallbackTrigger) this.#fallbacks.of(route, '', '', null).triggers[triggerIndex[fallbackTrigger]]!++
  }

  sweep({ hasRoute, hasBackend }: ConfiguredNames): void {
    const isKnown = ({ first, second }: SeriesKey) => hasRoute(first) && hasBackend(second)
    this.#served.sweep(isKnown)
    this.#attempts.sweep(isKnown)
    this.#fallbacks.sweep(isKnown)
  }

  families(): MetricFamily[] {
    return [
      tableFamily(
        'counter',
        'signalbox_requests_total',
        'Requests of clients that have ended, by their outcome. Without a route: none matched.',
        this.#served,
        ({ labels, outcomes }) => counterSamples(labels, outcomeLabels, outcomes),
      ),
      tableFamily(
        'counter',
        'signalbox_attempts_total',
        'Requests to upstreams, by the status that came; none: no status came.',
        this.#attempts,
        ({ labels, statuses }) => counterSamples(labels, attemptLabels, statuses),
      ),
      tableFamily(
        'counter',
        'signalbox_attempts_moved_on_total',
        'Requests to upstreams after which another one was made, by the reason.',
        this.#attempts,
        ({ labels, triggers }) => counterSamples(labels, triggerLabels, triggers),
      ),
      tableFamily(
        'counter',
        'signalbox_fallbacks_total',
        'Requests of clients that went to the fallback, by the reason, whatever came of it.',
        this.#fallbacks,
        ({ labels, triggers }) => counterSamples(labels, triggerLabels, triggers),
      ),
      tableFamily(
        'counter',
        'signalbox_tokens_total',
        'Tokens. cached_input and cache_write_input are part of input, reasoning is part of output.',
        this.#served,
        ({ labels, tokens }) => counterSamples(labels, tokenLabels, tokens),
      ),
      tableFamily(
        'counter',
        'signalbox_cost_usd_total',
        'Cost of requests in USD, as far as their backends have a price.',
        this.#served,
        ({ labels, cost }) => (cost === null ? [] : [{ labels, value: cost }]),
      ),
    ]
  }
}

class ServedCounts {
  readonly labels: Labels
  readonly outcomes = new Float64Array(outcomeLabels.length)
  readonly tokens = new Float64Array(tokenLabels.length)
  /** Null until a request had a price. */
  cost: number | null = null

  constructor({ first: route, second: backend, closed: operation }: SeriesKey) {
    this.labels = { route, backend, operation }
  }

  count({ outcome, provenance, tokens, cost }: UsageRecord): void {
    this.outcomes[outcomeIndex[outcome]]!++
    if (cost !== null) this.cost = (this.cost ?? 0) + Number(cost)
    if (tokens === null) return
    const at = provenance === 'ESTIMATED' ? tokenLabels.length / 2 : 0
    this.tokens[at]! += tokens.inputTokens
    this.tokens[at + 1]! += tokens.cachedInputTokens
    this.tokens[at + 2]! += tokens.cacheWriteTokens
    this.tokens[at + 3]! += tokens.outputTokens
    this.tokens[at + 4]! += tokens.reasoningTokens
  }
}

class AttemptCounts {
  readonly labels: Labels
  readonly statuses = new Float64Array(attemptLabels.length)
  readonly triggers = new Float64Array(triggerLabels.length)

  constructor({ first: route, second: backend }: SeriesKey) {
    this.labels = { route, backend }
  }

  count({ status, trigger }: AttemptRecord): void {
    this.statuses[statusIndex(status)]!++
    if (trigger !== null) this.triggers[triggerIndex[trigger]]!++
  }
}

class FallbackCounts {
  readonly labels: Labels
  readonly triggers = new Float64Array(triggerLabels.length)

  constructor({ first: route }: SeriesKey) {
    this.labels = { route }
  }
}

function indexOf<Word extends string>(words: readonly Word[]): Readonly<Record<Word, number>> {
  return Object.fromEntries(words.map((word, index) => [word, index])) as Record<Word, number>
}
