import type { OperationReport, ReportedCode } from '../../graphql/transport/operation-report.ts'
import { Histogram } from './histogram.ts'
import { histogramSamples, type Labels, type MetricFamily, type Sample, tableFamily } from './metric-family.ts'
import { type SeriesKey, SeriesTable } from './series-table.ts'

/** Names are what clients call their operations: beyond this many they are counted together. */
const maxSeries = 300

const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Counters of the operations of the GraphQL API. */
export interface ApiMetrics {
  readonly report: (report: OperationReport) => void
  readonly families: readonly MetricFamily[]
}

export function createApiMetrics(): ApiMetrics {
  const table = new SeriesTable(maxSeries, (key) => new OperationCounts(key))
  return {
    report: (report) => table.of(report.name, '', report.type, null).count(report),
    families: [
      tableFamily(
        'counter',
        'signalbox_api_operations_total',
        'Operations of the GraphQL API, by what came of them; refused: nothing was run.',
        table,
        (series) => series.outcomeSamples(),
      ),
      tableFamily(
        'counter',
        'signalbox_api_errors_total',
        'Operations of the GraphQL API with an error of this code; user errors are none.',
        table,
        (series) => series.errorSamples(),
      ),
      tableFamily(
        'counter',
        'signalbox_api_cost_total',
        'Cost of the operations of the GraphQL API that were run, as `extensions.cost` tells it.',
        table,
        ({ labels, cost }) => (cost > 0 ? [{ labels, value: cost }] : []),
      ),
      tableFamily(
        'histogram',
        'signalbox_api_operation_duration_seconds',
        'Time to the result of queries and mutations of the GraphQL API, waits for propagation included.',
        table,
        ({ labels, seconds }) => histogramSamples(labels, seconds),
      ),
    ],
  }
}

class OperationCounts {
  readonly labels: Labels
  readonly seconds = new Histogram(durationBounds)
  cost = 0
  readonly #outcomes = new Map<OperationReport['outcome'], number>()
  readonly #errors = new Map<ReportedCode, number>()

  constructor({ first, closed }: SeriesKey) {
    this.labels = { operation: first, type: closed.toLowerCase() }
  }

  count({ outcome, errorCodes, cost, durationMs }: OperationReport): void {
    addOne(this.#outcomes, outcome)
    for (const code of errorCodes) addOne(this.#errors, code)
    if (outcome !== 'REFUSED') this.cost += cost ?? 0
    if (durationMs !== null) this.seconds.observe(durationMs / 1_000)
  }

  *outcomeSamples(): Generator<Sample> {
    for (const [outcome, value] of this.#outcomes)
      yield { labels: this.labels, own: { outcome: outcome.toLowerCase() }, value }
  }

  *errorSamples(): Generator<Sample> {
    for (const [code, value] of this.#errors) yield { labels: this.labels, own: { code: code.toLowerCase() }, value }
  }
}

function addOne<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
