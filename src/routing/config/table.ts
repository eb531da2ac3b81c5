/**
 * An immutable map from strings, for tables that are large and change by a few rows.
 *
 * `with` copies one of 1,024 buckets and the list of buckets, so its cost does not grow with the table in any range that
 * is of use here (at 100,000 rows a bucket has about 100).
 */
export interface Table<V> extends Iterable<readonly [string, V]> {
  readonly size: number
  get(key: string): V | undefined
  values(): IterableIterator<V>
  /** The table with each entry of `changes` put in place, or taken out where its value is undefined. */
  with(changes: Iterable<readonly [string, V | undefined]>): Table<V>
}

const bucketCount = 1024
type Bucket<V> = ReadonlyMap<string, V>
const emptyBucket = new Map<string, never>()

export function createTable<V>(entries: Iterable<readonly [string, V]> = []): Table<V> {
  return new BucketTable<V>(
    Array.from({ length: bucketCount }, () => emptyBucket),
    0,
  ).with(entries)
}

class BucketTable<V> implements Table<V> {
  readonly size: number
  readonly #buckets: readonly Bucket<V>[]

  constructor(buckets: readonly Bucket<V>[], size: number) {
    this.#buckets = buckets
    this.size = size
  }

  get(key: string): V | undefined {
    return this.#buckets[bucketOf(key)]!.get(key)
  }

  *values(): IterableIterator<V> {
    for (const bucket of this.#buckets) yield* bucket.values()
  }

  *[Symbol.iterator](): Iterator<readonly [string, V]> {
    for (const bucket of this.#buckets) yield* bucket
  }

  with(changes: Iterable<readonly [string, V | undefined]>): Table<V> {
    const buckets = this.#buckets.slice()
    const copied = new Map<number, Map<string, V>>()
    let size = this.size
    for (const [key, value] of changes) {
      const index = bucketOf(key)
      let bucket = copied.get(index)
      if (!bucket) {
        bucket = new Map(buckets[index])
        copied.set(index, bucket)
        buckets[index] = bucket
      }
      size -= bucket.size
      if (value === undefined) bucket.delete(key)
      else bucket.set(key, value)
      size += bucket.size
    }
    return copied.size === 0 ? this : new BucketTable(buckets, size)
  }
}

/** FNV-1a over the last 16 UTF-16 units: ids and hashes differ there, and a name's length stays out of the hot path. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = Math.max(0, key.length - 16); i < key.length; i++) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  }
  return (hash ^ (hash >>> 16)) & (bucketCount - 1)
}
