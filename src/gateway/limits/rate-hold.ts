import type { RateBucket } from '../../routing/limits/rate-bucket.ts'

/** Told that a bucket has something to tell. */
interface HoldKeeper {
  touch(bucket: RateBucket): void
}

/** What a request took of its limits. Settle it once; later calls change nothing. */
export class RateHold {
  readonly buckets: readonly RateBucket[]
  readonly #keeper: HoldKeeper
  /** Tokens, by bucket; null: it takes nothing of it. */
  readonly #taken: readonly (number | null)[]
  #isSettled = false

  constructor(keeper: HoldKeeper, buckets: readonly RateBucket[], taken: readonly (number | null)[]) {
    this.buckets = buckets
    this.#keeper = keeper
    this.#taken = taken
  }

  /** The request is over, and has used so many tokens. */
  settle(tokens: number): void {
    this.#end((bucket, taken) => bucket.settle(taken, tokens))
  }

  /** It was not let in after all: its place and all that it took go back. */
  giveBack(): void {
    this.#end((bucket, taken) => bucket.giveBack(taken))
  }

  #end(give: (bucket: RateBucket, taken: number) => void): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#taken.forEach((taken, i) => {
      if (taken === null) return
      const bucket = this.buckets[i]!
      give(bucket, taken)
      this.#keeper.touch(bucket)
    })
  }
}
