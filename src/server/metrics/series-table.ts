/** Stands for all series that came when the table was full. */
export const otherLabel = 'other'

const maxLabelLength = 256

/** Two names that may grow in number, and one of a small closed set. */
export interface SeriesKey {
  readonly first: string
  readonly second: string
  readonly closed: string
}

interface Entry<S> extends SeriesKey {
  readonly series: S
  wasGone: boolean
}

/**
 * Series by three labels, at most `maxSeries` of them: what comes when it is full is counted together, under `other`. A
 * lookup builds no key, since it is made for each request. `Source` is what a new series is made from beside its labels.
 */
export class SeriesTable<S, Source = null> {
  readonly #maxSeries: number
  readonly #create: (key: SeriesKey, source: Source) => S
  readonly #byFirst = new Map<string, Map<string, Map<string, Entry<S>>>>()
  #size = 0

  constructor(maxSeries: number, create: (key: SeriesKey, source: Source) => S) {
    this.#maxSeries = maxSeries
    this.#create = create
  }

  get size(): number {
    return this.#size
  }

  /** Of the names the first 256 characters count. */
  of(first: string, second: string, closed: string, source: Source): S {
    const known = this.#find(first, second, closed)
    if (known) return known.series
    const isLong = first.length > maxLabelLength || second.length > maxLabelLength
    return isLong
      ? this.of(boundedLabel(first), boundedLabel(second), closed, source)
      : this.#addOrShare(first, second, closed, source)
  }

  *all(): Generator<S> {
    for (const entry of this.#entries()) yield entry.series
  }

  /** Drops series that `isKnown` has refused twice in a row, because their objects are no longer configured. */
  sweep(isKnown: (key: SeriesKey) => boolean): void {
    for (const entry of this.#entries()) {
      const isGone = !isKnown(entry)
      if (isGone && entry.wasGone) this.#remove(entry)
      entry.wasGone = isGone
    }
  }

  *#entries(): Generator<Entry<S>> {
    for (const bySecond of this.#byFirst.values()) {
      for (const byClosed of bySecond.values()) yield* byClosed.values()
    }
  }

  #find(first: string, second: string, closed: string): Entry<S> | undefined {
    return this.#byFirst.get(first)?.get(second)?.get(closed)
  }

  #addOrShare(first: string, second: string, closed: string, source: Source): S {
    if (this.#size >= this.#maxSeries) {
      // The third set is closed: the series of `other` exceed the limit by no more than its size.
      const other = this.#find(otherLabel, otherLabel, closed)
      return other ? other.series : this.#add({ first: otherLabel, second: otherLabel, closed }, source)
    }
    return this.#add({ first, second, closed }, source)
  }

  #add(key: SeriesKey, source: Source): S {
    const series = this.#create(key, source)
    const bySecond = childOf(this.#byFirst, key.first)
    childOf(bySecond, key.second).set(key.closed, { ...key, series, wasGone: false })
    this.#size++
    return series
  }

  #remove({ first, second, closed }: SeriesKey): void {
    const bySecond = this.#byFirst.get(first)
    const byClosed = bySecond?.get(second)
    if (byClosed?.delete(closed)) this.#size--
    if (byClosed?.size === 0) bySecond?.delete(second)
    if (bySecond?.size === 0) this.#byFirst.delete(first)
  }
}

/** The name as far as it is shown. */
export function boundedLabel(name: string): string {
  return name.length > maxLabelLength ? name.slice(0, maxLabelLength) : name
}

function childOf<K, V>(parent: Map<string, Map<K, V>>, name: string): Map<K, V> {
  const known = parent.get(name)
  if (known) return known
  const child = new Map<K, V>()
  parent.set(name, child)
  return child
}
