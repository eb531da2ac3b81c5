import type { Snapshot } from '../../routing/config/snapshot.ts'
import { isFailure, type UsageRecord } from '../../routing/usage/record.ts'
import { attemptErrorOf } from '../usage/attempt-error.ts'
import { genAiOperationOf, genAiProviderOf } from '../tracing/gen-ai.ts'
import type { ConfiguredNames } from './configured-names.ts'
import { Histogram } from './histogram.ts'
import { histogramSamples, type Labels, type MetricFamily, tableFamily } from './metric-family.ts'
import { otherLabel, type SeriesKey, SeriesTable } from './series-table.ts'

/** Fewer than of counters: each is about 17 lines of a scrape. */
const maxSeries = 200

// The bounds that OpenTelemetry's conventions advise (see `gen-ai.ts`).
const durationBounds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
const firstTokenBounds = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const perTokenBounds = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]
const tokenBounds = Array.from({ length: 14 }, (_, exponent) => 4 ** exponent)

const firstByteBounds = [...firstTokenBounds, 30, 60]
const overheadBounds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]

/**
 * Distributions of finished requests and their attempts: times in seconds, and tokens. Towards clients the gateway is a
 * server, of routes; towards upstreams it is a client, of backends.
 */
export class RequestTimes {
  readonly #durations = new SeriesTable(maxSeries, (key) => createHistogram(serverLabels(key), durationBounds))
  readonly #firstBytes = new SeriesTable(maxSeries, (key) => createHistogram(routeLabels(key), firstByteBounds))
  readonly #streams = new SeriesTable(maxSeries, (key) => new StreamTimes(key))
  readonly #overheads = new SeriesTable(maxSeries, ({ closed: operation }) =>
    createHistogram({ operation }, overheadBounds),
  )
  readonly #attempts: SeriesTable<LabelledHistogram, string>
  readonly #tokens: SeriesTable<TokenSizes, string>

  constructor(snapshot: () => Snapshot) {
    const labelsOf = (key: SeriesKey, backendId: string) => clientLabels(key, snapshot(), backendId)
    this.#attempts = new SeriesTable(maxSeries, (key, backendId) =>
      createHistogram(labelsOf(key, backendId), durationBounds),
    )
    this.#tokens = new SeriesTable(maxSeries, (key, backendId) => new TokenSizes(labelsOf(key, backendId)))
  }

  count(record: UsageRecord): void {
    const { routeName, operation, outcome } = record
    this.#overheads.of('', '', operation, null).histogram.observe(record.overheadMs / 1000)
    if (routeName === null) return
    const genAiOperation = genAiOperationOf(operation)
    const error = isFailure(outcome) ? outcome.toLowerCase() : ''
    this.#durations.of(routeName, genAiOperation, error, null).histogram.observe(record.durationMs / 1000)
    if (record.firstByteMs !== null) {
      this.#firstBytes.of(routeName, '', operation, null).histogram.observe(record.firstByteMs / 1000)
      if (record.stream && error === '') this.#streams.of(routeName, genAiOperation, '', null).count(record)
    }
    this.#countUpstream(record, genAiOperation)
  }

  #countUpstream(record: UsageRecord, operation: string): void {
    const { attempts, backendLabel, backendId, tokens } = record
    for (let i = 0; i < attempts.length; i++) {
      const attempt = attempts[i]!
      const series = this.#attempts.of(attempt.backendLabel, operation, attemptErrorOf(record, i), attempt.backendId)
      series.histogram.observe(attempt.durationMs / 1000)
    }
    if (tokens === null || backendLabel === null || backendId === null) return
    this.#tokens.of(backendLabel, operation, '', backendId).count(tokens)
  }

  sweep({ hasRoute, hasBackend }: ConfiguredNames): void {
    for (const table of [this.#durations, this.#firstBytes, this.#streams]) table.sweep(({ first }) => hasRoute(first))
    for (const table of [this.#attempts, this.#tokens]) table.sweep(({ first }) => hasBackend(first))
  }

  families(): MetricFamily[] {
    return [
      histograms(
        'gen_ai_server_request_duration_seconds',
        'Requests of clients, from their head to the last byte of the answer.',
        this.#durations,
      ),
      tableFamily(
        'histogram',
        'gen_ai_server_time_to_first_token_seconds',
        'Streams that ended well, from the head of the request to the first event with content.',
        this.#streams,
        ({ labels, firstToken }) => histogramSamples(labels, firstToken),
      ),
      tableFamily(
        'histogram',
        'gen_ai_server_time_per_output_token_seconds',
        'Streams that ended well: the time for each token after the first one.',
        this.#streams,
        ({ labels, perToken }) => histogramSamples(labels, perToken),
      ),
      histograms(
        'signalbox_time_to_first_byte_seconds',
        'Requests of clients, from their head to the first byte of the answer.',
        this.#firstBytes,
      ),
      histograms(
        'signalbox_overhead_seconds',
        'The part of the duration that was neither the client nor upstream.',
        this.#overheads,
      ),
      histograms(
        'gen_ai_client_operation_duration_seconds',
        'Requests to upstreams, to the last byte of their answer.',
        this.#attempts,
      ),
      tableFamily(
        'histogram',
        'gen_ai_client_token_usage',
        'Tokens of requests to upstreams, reported or estimated.',
        this.#tokens,
        ({ input, output }) => [input, output].flatMap((it) => [...histogramSamples(it.labels, it.histogram)]),
      ),
    ]
  }
}

interface LabelledHistogram {
  readonly labels: Labels
  readonly histogram: Histogram
}

function createHistogram(labels: Labels, bounds: readonly number[]): LabelledHistogram {
  return { labels, histogram: new Histogram(bounds) }
}

function histograms<Source>(name: string, help: string, table: SeriesTable<LabelledHistogram, Source>): MetricFamily {
  return tableFamily('histogram', name, help, table, ({ labels, histogram }) => histogramSamples(labels, histogram))
}

class StreamTimes {
  readonly labels: Labels
  readonly firstToken = new Histogram(firstTokenBounds)
  readonly perToken = new Histogram(perTokenBounds)

  constructor(key: SeriesKey) {
    this.labels = serverLabels(key)
  }

  count({ firstByteMs, durationMs, tokens }: UsageRecord): void {
    if (firstByteMs === null) return
    this.firstToken.observe(firstByteMs / 1000)
    const following = (tokens?.outputTokens ?? 0) - 1
    if (following > 0) this.perToken.observe((durationMs - firstByteMs) / 1000 / following)
  }
}

class TokenSizes {
  readonly input: LabelledHistogram
  readonly output: LabelledHistogram

  constructor(labels: Labels) {
    this.input = createHistogram({ ...labels, gen_ai_token_type: 'input' }, tokenBounds)
    this.output = createHistogram({ ...labels, gen_ai_token_type: 'output' }, tokenBounds)
  }

  count({ inputTokens, outputTokens }: NonNullable<UsageRecord['tokens']>): void {
    this.input.histogram.observe(inputTokens)
    this.output.histogram.observe(outputTokens)
  }
}

function routeLabels({ first: route, closed: operation }: SeriesKey): Labels {
  return { route, operation }
}

function serverLabels({ first: route, second: operation, closed: error }: SeriesKey): Labels {
  const labels = {
    gen_ai_operation_name: operation,
    gen_ai_provider_name: 'signalbox',
    gen_ai_request_model: route,
  }
  return error === '' ? labels : { ...labels, error_type: error }
}

/** The backend is a label of its own: two providers may serve models of the same name. */
function clientLabels(key: SeriesKey, snapshot: Snapshot, backendId: string): Labels {
  const { first: backend, second: operation, closed: error } = key
  // In `other` there are many; one that has just been deleted is not known any more.
  const configured = backend === otherLabel ? undefined : snapshot.backends.get(backendId)
  const labels = {
    gen_ai_operation_name: operation,
    gen_ai_provider_name: configured ? genAiProviderOf(configured) : otherLabel,
    gen_ai_request_model: configured?.upstreamModel ?? backend,
    signalbox_backend: backend,
  }
  return error === '' ? labels : { ...labels, error_type: error }
}
