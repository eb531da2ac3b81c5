/** Counts of values in fixed buckets: a few nanoseconds a value, and memory that does not grow. */
export class Histogram {
  /** Upper bounds, inclusive, in ascending order. Values above the last bound have a further bucket. */
  readonly bounds: readonly number[]
  /** One more than there are bounds; not cumulative. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds } = this
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    this.counts[bucket]!++
    this.sum += value
  }
}
