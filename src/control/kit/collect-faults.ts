import { type Refusal, RefusalError } from './refusal.ts'

/** Collects what the parts of an input are refused for, so that the caller is told of all faults at once. */
export class FaultCollector {
  readonly #refusals: Refusal[] = []

  /** What `make` returns; undefined if it is refused. */
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

  /** Throws everything that was refused; the first fault of each place only, because the others follow from it. */
  throwAny(): void {
    if (this.#refusals.length > 0) throw new RefusalError(...this.#refusals)
  }

  /** Throws what is no refusal. */
  add(error: unknown): void {
    if (!(error instanceof RefusalError)) throw error
    for (const refusal of error.refusals) if (!this.#isKnown(refusal)) this.#refusals.push(refusal)
  }

  #isKnown({ path }: Refusal): boolean {
    return path !== null && this.#refusals.some((other) => other.path?.join('.') === path.join('.'))
  }
}

/** The object of what each function returns. Throws the faults of all of them at once. */
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

/** What is made of each item of a list. Throws the faults of all of them at once. */
export function collectEach<Item, T>(items: readonly Item[], make: (item: Item, index: number) => T): T[] {
  const faults = new FaultCollector()
  const made = items.flatMap((item, index) => faults.attempt(() => [make(item, index)]) ?? [])
  faults.throwAny()
  return made
}
