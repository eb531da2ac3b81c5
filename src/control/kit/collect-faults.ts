import { type Refusal, RefusalError } from './refusal.ts'

/** Collects the refusals of all parts of an input, so that the caller gets all faults at once. */
export class FaultCollector {
  readonly #refusals: Refusal[] = []

  /** Returns the result of `make`; undefined if it throws a refusal, which is collected. */
  attempt<T>(make: () => T): T | undefined {
    try {
      return make()
    } catch (error) {
      this.add(error)
      return undefined
    }
  }

  async attemptAsync<T>(make: () => Promise<T>): Promise<T | undefined> {
    try {
      return await make()
    } catch (error) {
      this.add(error)
      return undefined
    }
  }

  /** Throws the collected refusals, one for each path: later ones at the same path follow from the first. */
  throwAny(): void {
    if (this.#refusals.length > 0) throw new RefusalError(...this.#refusals)
  }

  /** Collects a refusal; throws any other error. */
  add(error: unknown): void {
    if (!(error instanceof RefusalError)) throw error
    for (const refusal of error.refusals) if (!this.#isKnown(refusal)) this.#refusals.push(refusal)
  }

  #isKnown({ path }: Refusal): boolean {
    return path !== null && this.#refusals.some((other) => other.path?.join('.') === path.join('.'))
  }
}

/** Calls each function and returns an object of the results. Throws the faults of all functions at once. */
export function collectMembers<T extends object>(makers: { readonly [Name in keyof T]: () => T[Name] }): T {
  const faults = new FaultCollector()
  const members: Partial<T> = {}
  for (const name of Object.keys(makers) as (keyof T)[]) {
    const made = faults.attempt(() => ({ value: makers[name]() }))
    if (made) members[name] = made.value
  }
  faults.throwAny()
  return members as T
}

/** Maps a list with `make`. Throws the faults of all items at once. */
export function collectEach<Item, T>(items: readonly Item[], make: (item: Item, index: number) => T): T[] {
  const faults = new FaultCollector()
  const made = items.flatMap((item, index) => faults.attempt(() => [make(item, index)]) ?? [])
  faults.throwAny()
  return made
}
