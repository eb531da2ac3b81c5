import type { Histogram } from './histogram.ts'
import type { SeriesTable } from './series-table.ts'

export type Labels = Readonly<Record<string, string>>

/** One line of the answer to a scrape. */
export interface Sample {
  readonly labels: Labels
  readonly value: number
  /** A label of this line alone: a bucket's bound, or which one of a series' counters it is. */
  readonly own?: Labels
  /** The suffix of a histogram's series name. */
  readonly suffix?: '_bucket' | '_sum' | '_count'
}

/** A metric with all its series, read on demand. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly read: () => Iterable<Sample>
}

const noLabels: Labels = {}

/** A metric of one series, without labels. */
export function plainFamily(type: 'counter' | 'gauge', name: string, help: string, read: () => number): MetricFamily {
  return { name, help, type, read: () => [{ labels: noLabels, value: read() }] }
}

/** A metric of the series of a table. */
export function tableFamily<S, Source>(
  type: MetricFamily['type'],
  name: string,
  help: string,
  table: SeriesTable<S, Source>,
  samples: (series: S) => Iterable<Sample>,
): MetricFamily {
  return { name, help, type, read: () => table.all().flatMap(samples) }
}

/** Counters of one series, told apart by a label of their own. Those that are 0 have not begun, and are left out. */
export function* counterSamples(
  labels: Labels,
  ownLabels: readonly Labels[],
  counts: ArrayLike<number>,
): Generator<Sample> {
  for (const [i, own] of ownLabels.entries()) if (counts[i]! > 0) yield { labels, own, value: counts[i]! }
}

/** The lines of a histogram: buckets that include those below them, sum and count; none before the first value. */
export function* histogramSamples(labels: Labels, { bounds, counts, sum }: Histogram): Generator<Sample> {
  const total = counts.reduce((all, count) => all + count, 0)
  if (total === 0) return
  let count = 0
  for (const [i, bound] of bounds.entries()) {
    count += counts[i]!
    yield { labels, own: bucketLabels(bound), value: count, suffix: '_bucket' }
  }
  yield { labels, own: lastBucket, value: total, suffix: '_bucket' }
  yield { labels, value: sum, suffix: '_sum' }
  yield { labels, value: total, suffix: '_count' }
}

const lastBucket: Labels = { le: '+Inf' }
const knownBuckets = new Map<number, Labels>()

function bucketLabels(bound: number): Labels {
  let labels = knownBuckets.get(bound)
  if (!labels) {
    labels = { le: String(bound) }
    knownBuckets.set(bound, labels)
  }
  return labels
}
